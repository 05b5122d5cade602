"""What ``hookline init`` writes."""

from __future__ import annotations

TOML = """\
# Every key has a default; `hookline check` lists what is wrong, with line, reason and cure.
[server]
# public_url = "https://hooks.example.com"   # what providers call, once you have a name for it

[sources.{name}]                             # {title} sends to /webhooks/{name}
provider = "{name}"
secrets  = ["env:{variable}"]
"""

APP = '''\
"""Handlers: `hookline serve app:hooks` runs them."""

from hookline import Event, Hookline

hooks = Hookline()


@hooks.on("{name}")
def received(event: Event) -> None:
    """Called for each event, again after a failure, until it succeeds or the schedule ends."""
    print(f"{{event.source}} {{event.type}} {{event.id}}")
'''
