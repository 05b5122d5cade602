"""Commands for the files of a project: a first one, and everything that is wrong with the one there is."""

from __future__ import annotations

import time
from pathlib import Path

import click

from hookline.cli import exits, output
from hookline.cli.options import as_json, files, options
from hookline.cli.output import plural
from hookline.cli.templates import APP, TOML
from hookline.config import Config, load
from hookline.payload import visible


def configuration() -> Config:
    """The configuration that the command line names. Stop lists every problem where it cannot be used; secrets that
    cannot be resolved do not matter to commands that only look."""
    config, problems = load(options().config)
    if config is None:
        errors = [problem for problem in problems if problem.level == "error"]
        for problem in errors:
            output.complain(str(problem))
        raise exits.Stop(exits.PROBLEMS)
    return config


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--provider", default="github", show_default=True, help="Who will send.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(folder: Path, provider: str, force: bool) -> None:
    """Write a first hookline.toml and app.py into FOLDER.

    \b
    hookline init
    hookline init shop --provider stripe
    """
    from hookline.providers import PROVIDERS

    if provider not in PROVIDERS:
        from difflib import get_close_matches

        near = get_close_matches(provider, PROVIDERS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(PROVIDERS))}."
        raise exits.Stop(exits.USAGE, f"--provider {provider}: not known. {hint}")
    title, variable = PROVIDERS[provider].title, f"{provider.upper().replace('-', '_')}_WEBHOOK_SECRET"
    texts = {
        "hookline.toml": TOML.format(name=provider, title=title, variable=variable),
        "app.py": APP.format(name=provider),
    }
    there = [name for name in texts if (folder / name).exists()]
    if there and not force:
        raise exits.Stop(exits.FAILURE, f"{folder / there[0]} is there already: --force overwrites it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
            output.chatter(f"wrote {folder / name}")
    except OSError as problem:
        raise exits.Stop(exits.FAILURE, f"{folder}: {problem.strerror}") from None
    inside = "" if folder == Path() else f"cd {folder} && "
    output.chatter(
        f"\nNext:\n  {inside}export {variable}=…   # the secret that {title} shows\n  hookline serve app:hooks"
    )


@click.command()
@click.argument("app", required=False)
@files
@as_json
@click.option("--no-secrets", is_flag=True, help="Do not look for secrets: for CI, where there are none.")
def check(app: str | None, no_secrets: bool) -> None:
    """List every problem of the configuration at once, with line, reason and cure; with APP, of its handlers too.

    \b
    hookline check
    hookline check app:hooks
    hookline check --no-secrets --config hookline.toml --config production.toml

    Ends with 3 if there is any. Warnings alone end with 0.
    """
    from hookline.app.check import check as look

    config, problems = look(options().config, now=time.time(), app=app, secrets=not no_secrets)
    bad = [problem for problem in problems if problem.level != "warning"]
    if options().json:
        output.objects({name: getattr(problem, name) for name in problem.__struct_fields__} for problem in problems)
    else:
        for problem in problems:
            colour = "yellow" if problem.level == "warning" else "red"
            output.say(
                f"{output.paint('warning' if problem.level == 'warning' else 'problem', colour)}  {visible(problem)}"
            )
    if bad:
        raise exits.Stop(exits.PROBLEMS, plural(len(bad), "problem"))
    where = ", ".join(config.files) or "no settings file: defaults and environment"
    sizes = {"source": len(config.sources), "destination": len(config.destinations), "route": len(config.routes)}
    output.chatter(f"ok: {where}: " + ", ".join(plural(count, noun) for noun, count in sizes.items()))
