"""The commands that run Hookline: everything on one machine, or one role of it."""

from __future__ import annotations

import click

from hookline.cli.options import files, options


@click.command()
@click.argument("app", required=False)
@files
@click.option("--strict", is_flag=True, help="Refuse to start while any source or destination cannot work.")
def serve(app: str | None, strict: bool) -> None:
    """Run everything on one machine. APP is where your handlers are, such as app:hooks.

    \b
    hookline serve app:hooks
    """
    from hookline import runtime

    raise SystemExit(runtime.serve(options().config, {}, app, strict=strict))


@click.command()
@click.argument("app", required=False)
@files
def ingest(app: str | None) -> None:
    """Run the public door alone."""
    from hookline import runtime

    raise SystemExit(runtime.run_ingest(options().config, {}, app))


@click.command()
@click.argument("app", required=False)
@files
def worker(app: str | None) -> None:
    """Run a worker alone. APP is where your handlers are, such as app:hooks."""
    from hookline import runtime

    raise SystemExit(runtime.run_worker(options().config, {}, app))


@click.command()
@files
def admin() -> None:
    """Run the admin door alone: API, metrics and start page."""
    from hookline import runtime

    raise SystemExit(runtime.run_admin(options().config, {}))


@click.command()
@click.option("--folder", default="demo", metavar="DIR", help="Where to; written afresh each time.")
@click.option("--once", is_flag=True, help="End when all is settled: with 0 if everything came as it should.")
def demo(folder: str, once: bool) -> None:
    """Start everything in a directory of its own and play signed sample traffic."""
    from hookline import runtime

    raise SystemExit(runtime.demo(folder, once=once))
