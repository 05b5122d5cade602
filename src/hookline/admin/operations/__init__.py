"""Everything that the API and the command line can do: one table, filled by the modules here."""

from __future__ import annotations

from hookline.admin.operations import events, requests, tokens, trial, trigger
from hookline.admin.operations.base import OPERATIONS

__all__ = ["OPERATIONS", "events", "requests", "tokens", "trial", "trigger"]
