"""Every provider, by name."""

from __future__ import annotations

from hookline.providers.base import Provider
from hookline.providers.rows import code, generic, payments

PROVIDERS: dict[str, Provider] = {row.name: row for rows in (code.ROWS, payments.ROWS, generic.ROWS) for row in rows}
