"""The reference page of all settings, written from their table: it cannot say anything else than the code."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hookline.config.settings import TABLES, Destination, Doc, Retry, Route, Source, Table, settings_of

_START = """\
# Settings

<!-- Written by `python -m hookline.config`; a test compares. -->

Everything has a default but a source's `provider`, a route's `from` and `to`, and a destination's `type`. `hookline
check` lists every problem at once, with its line and its cure.

**Where settings come from.** Code (`Hookline(config={…})`) < files < environment < flags: what stands further right
wins, key by key. `--config` repeats and later files win; without it `hookline.toml` is read from the working
directory. Routes of several files add up, and one with the `name` of an earlier one replaces it. Relative paths start
at the first file.

**In code.** `Hookline({"sources": {"github": {"provider": "github", "secrets": ["env:NAME"]}}})` says what a file would
say. `hookline serve` asks the app for it once, at its start; other commands do not import your app, so what they need
too (`server.store`, above all) belongs in a file or in the environment.

**Environment.** `HOOKLINE_SERVER__STORE` sets `server.store`: two underscores go one level down. Names of sources and
destinations are found whatever their case, with `_` for `-`. A list is a text parted at commas, or TOML: `["one",
"two"]`.

**References.** Any text may be `env:NAME` or `file:PATH`, and is then read from there; one final newline of a file is
not part of it. A source whose secret cannot be resolved, is empty, a placeholder or of the wrong form answers 503
while the others serve; `hookline check` and `hookline serve --strict` fail, `hookline check --no-secrets` does not
look.

**Reload.** SIGHUP reads files and `file:` references again. A faulty file is refused, and the old configuration
stays.

| Kind | Reads like |
|---|---|
| duration | `"500ms"`, `"30s"`, `"1h30m"`, `"30d"`, or a number of seconds |
| schedule | `"5s 5m 30m 2h"`: the waits after each failure; `""` for one attempt only |
| rate | `"10/s"`, `"600/m"`, `"5/h"` |
| size | `"16KiB"`, `"25MiB"`, `"512MB"`, or a number of bytes |
| share | `0.7` or `"70%"` |
| address | `"127.0.0.1:8080"`, `"[::1]:8080"`, `"unix:/run/hookline.sock"` |
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_START]
    for name, table in TABLES.items():
        parts.append(_section(f"[{name}]", table))
    parts.append(_section("[sources.NAME]", Source, "The provider's own keys stand beside these; its page names them."))
    parts.append(_section("[sources.NAME.doc]", Doc))
    parts.append(_section("[[routes]]", Route))
    parts.append(_section("[destinations.NAME]", Destination, "What the type wants, and `retry`, stand beside these."))
    parts.append(_section("[destinations.NAME.retry]", Retry))
    return "\n".join(parts)


def _section(title: str, table: type[Table], note: str = "") -> str:
    doc = " ".join((table.__doc__ or "").replace("``", "`").split())
    rows = "\n".join(_rows(table))
    about = f"{doc} {note}".strip()
    return f"## `{title}`\n\n{about}\n\n| Key | Kind | Default | Meaning |\n|---|---|---|---|\n{rows}\n"


def _rows(table: type[Table]) -> Iterator[str]:
    for _, key, setting, default in settings_of(table):
        if setting.default:
            shown = setting.default
        elif default is msgspec.NODEFAULT:
            shown = "required"
        elif default in ("", (), None):
            shown = "none"
        else:
            shown = f"`{setting.kind.show(default)}`"
        yield f"| `{key}` | {setting.kind.name} | {shown} | {setting.help} |".replace("||", "| |")
