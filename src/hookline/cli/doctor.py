"""``hookline doctor``: everything that can be wrong around Hookline, looked at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from hookline.admin.objects import Check, Health
from hookline.cli import exits, output
from hookline.cli.client import connect
from hookline.cli.options import options, reads
from hookline.cli.output import plural
from hookline.payload import visible

if TYPE_CHECKING:
    from hookline.config import Problem


@click.command()
@click.option("--offline", is_flag=True, help="Ask no URL, not even our own.")
@reads
def doctor(offline: bool) -> None:
    """Look at configuration, secrets, store, versions, clock, disk, workers and reachability.

    Ends with 3 if there is a problem; warnings alone end with 0. With --server, what the server says of itself.
    """
    found: list[Check] = [] if options().server else _here(offline)
    if not any(check.state == "problem" and check.name == "configuration" for check in found):
        with connect() as client:
            health: Health = client.call("show_health")
        known = {check.name for check in found}
        found += [check for check in health.checks if check.name not in known]
    if options().json:
        output.objects(found)
    else:
        for check in found:
            cure = f" — {visible(check.cure)}" if check.cure else ""
            output.say(
                f"{output.paint_state(check.state.ljust(7))}  {visible(check.name)}: {visible(check.what)}{cure}"
            )
    bad = sum(check.state == "problem" for check in found)
    if bad:
        raise exits.Stop(exits.PROBLEMS, plural(bad, "problem"))


def _of_problem(problem: Problem) -> Check:
    return Check(
        name={"error": "configuration", "secret": "secret", "warning": "advice"}[problem.level],
        state="warning" if problem.level == "warning" else "problem",
        what=": ".join(filter(None, (problem.place, problem.key, problem.what))),
        cure=problem.cure,
    )


def _here(offline: bool) -> list[Check]:
    from pathlib import Path

    from hookline.admin import checkup
    from hookline.app.check import judge, set_of
    from hookline.config import read
    from hookline.store import path_of

    config, problems = read(options().config)
    problems += judge(config, now=time.time(), unheard=True)  # what the app handles is in the store, not here
    found = [_of_problem(problem) for problem in sorted(set_of(problems), key=lambda problem: problem.order())]
    if not any(check.state == "problem" for check in found):
        what = ", ".join(config.files) or "no settings file: defaults and environment"
        found.append(Check(name="configuration", state="ok", what=what))
    found += checkup.machine(config, Path(path_of(config.server.store)).absolute())
    if not offline:
        secure = bool(config.server.certificate)
        if not secure:
            found.append(checkup.door("public door", checkup.local_url(config.server.public), "/readyz"))
        found.append(checkup.door("admin door", checkup.local_url(config.server.admin)))
        if config.server.public_url:
            found.append(checkup.door("public URL", config.server.public_url))
    return found
