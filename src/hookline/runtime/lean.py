"""Imports structlog without Rich. structlog takes Rich along wherever it is installed, for tracebacks that we do not
show: 7 MB and a tenth of a second in each process. Rich can be imported afterwards as ever."""

from __future__ import annotations

import importlib
import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what Python itself takes for "there is no such module"
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
