"""Brings the schema of a file up to date, one numbered step after the other, each in a transaction of its own."""

from __future__ import annotations

from pathlib import Path

import apsw

from hookline.errors import ConfigError
from hookline.store.sqlite.connect import APPLICATION_ID
from hookline.store.sqlite.queries import migrations

REWRITES = "-- rewrites data"
"""A migration that says so is preceded by a copy of the file."""

_VERSIONS = """
create table if not exists migrations (
  number      integer primary key,
  name        text not null,
  applied_at  real not null
) strict
"""


def version(connection: apsw.Connection) -> int:
    """The number of the last migration that this file has had; 0 for a new file."""
    if not connection.execute("select 1 from sqlite_schema where name = 'migrations'").get:
        return 0
    return int(connection.execute("select coalesce(max(number), 0) from migrations").get)


def migrate(connection: apsw.Connection, path: Path, now: float) -> list[str]:
    """Apply what is missing and return the names. The caller holds the turnstile. ConfigError for a newer file."""
    steps = migrations()
    newest = steps[-1][0]
    found = version(connection)
    if found > newest:
        raise ConfigError(
            f"store: {path} was written by a newer Hookline (schema {found}, this one knows {newest}): upgrade this"
            " installation, or restore the backup that was made before the upgrade"
        )
    applied = []
    for number, name, text in steps:
        if number <= found:
            continue
        if found and text.startswith(REWRITES):
            back_up(connection, path.with_name(f"{path.name}.before-{number:04d}"))
        connection.execute("begin immediate")
        try:
            connection.execute(_VERSIONS)
            connection.execute(text)
            connection.execute(
                "insert into migrations (number, name, applied_at) values (?, ?, ?)", (number, name, now)
            )
            connection.execute(f"pragma application_id = {APPLICATION_ID}")
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
        applied.append(name)
    return applied


def back_up(connection: apsw.Connection, target: Path) -> None:
    """A consistent copy of the whole file at ``target``, which must not exist."""
    connection.execute("vacuum into ?", (str(target),))
