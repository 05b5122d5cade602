"""``hookline db``: the store as a file: bring it up to date, check it, copy it, put a copy back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from hookline.cli import exits, output
from hookline.cli.options import Group, confirm, files, options, without_questions
from hookline.cli.output import plural
from hookline.cli.project import configuration
from hookline.payload import visible


@click.group(cls=Group)
def db() -> None:
    """Migrate, check, back up and restore the store. These work beside the store, never through --server.

    \b
    hookline db backup /backups/hookline-$(date +%F).db
    hookline db check
    """


@db.command()
@files
def migrate() -> None:
    """Bring the store up to date. `hookline serve` does so by itself."""
    from hookline.store import open_store

    async def work() -> Path:
        store = await open_store(configuration().server.store, role="cli")
        await store.close()
        return store.path

    output.chatter(f"{asyncio.run(work())} is up to date")


@db.command()
@files
def check() -> None:
    """Read all of the store and say what is wrong with it. Ends with 3 if anything is."""
    from hookline.store.sqlite.backup import check as look

    path = _path()
    found = look(path)
    for finding in found:
        output.say(
            f"{output.paint('problem', 'red')}  {finding.name}: {visible(finding.what)} — {visible(finding.cure)}"
        )
    if found:
        raise exits.Stop(exits.PROBLEMS, plural(len(found), "problem"))
    output.chatter(f"ok: {path}")


@db.command()
@click.argument("target", type=click.Path(path_type=Path))
@files
def backup(target: Path) -> None:
    """Write a complete copy of the running store to TARGET, a new file."""
    from hookline.store.sqlite.backup import back_up

    path = _path()
    with output.Progress("copying pages", None) as progress:

        def tell(done: int, total: int) -> None:
            progress.total = total
            progress.to(done)

        size = back_up(path, target.absolute(), tell)
    output.chatter(f"{target}: {output.size(size)}")


@db.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the store that is there.")
@files
@without_questions
def restore(source: Path, force: bool) -> None:
    """Put the backup SOURCE in the store's place. Only while nothing runs.

    Open deliveries then need review (`restored`): what was done after the backup is not known, so nothing is delivered
    by itself. `hookline replay -q 'reason:restored'` lets them go.
    """
    from hookline.store import path_of
    from hookline.store.sqlite.backup import restore as put_back

    path = path_of(configuration().server.store).absolute()
    if force and path.exists():
        confirm(f"Replace {path} by {source}?")
    count = put_back(source.absolute(), path, force=force)
    output.chatter(f"restored {path}; {plural(count, 'open delivery')} to review")
    if count:
        output.chatter("`hookline replay -q reason:restored --dry-run` shows them")


def _path() -> Path:
    """The store's file. Stop where there is none: looking must not create it."""
    from hookline.store import path_of

    if options().server:
        raise exits.Stop(exits.USAGE, "db works beside the store, not through --server")
    path = path_of(configuration().server.store).absolute()
    if not path.exists():
        raise exits.Stop(exits.NOT_FOUND, f"there is no store at {path} yet: `hookline db migrate` makes one")
    return path
