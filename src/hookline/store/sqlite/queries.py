"""The SQL, read once from the files beside this package: ``-- name: x`` begins a statement."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Every named statement of ``store/sql/sqlite/*.sql``. A name that two files give is a bug, and raised as one."""
    found: dict[str, str] = {}
    for file in sorted(files("hookline.store").joinpath("sql/sqlite").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _NAME.split(file.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name} (the second in {file.name})")
            found[name] = text.strip().removesuffix(";")
    return found


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of every migration, ascending."""
    folder = files("hookline.store").joinpath("sql/sqlite/migrations")
    found = []
    for file in folder.iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql"):
            found.append((int(number), name, file.read_text("utf-8")))
    return sorted(found)
