"""The store: one contract, a thin driver per database."""
