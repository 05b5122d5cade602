"""The store on one SQLite file: one machine, any number of processes, one writer at a time."""
