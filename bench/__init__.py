"""How fast, how small, how steady: ``python -m bench`` measures Hookline beside its peers and writes RESULTS.md."""
