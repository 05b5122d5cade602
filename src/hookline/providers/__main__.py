"""``python -m hookline.providers`` prints docs/reference/providers.md."""

from hookline.providers.page import page

print(page(), end="")
