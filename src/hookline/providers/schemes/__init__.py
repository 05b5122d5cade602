"""How providers sign, each scheme once: it can check and it can sign."""
