"""The reference page of all providers, written from the table: ``python -m hookline.providers`` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from hookline.providers.base import Provider
from hookline.providers.fields import Field, First, Flag, Join, Time
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.schemes.jwt import Jwt
from hookline.providers.schemes.publickey import Asymmetric
from hookline.providers.schemes.shared import Authorization, Token
from hookline.providers.schemes.standard import StandardWebhooks
from hookline.providers.table import PROVIDERS, TRADES

_HEAD = f"""\
# Providers

<!-- Written by `python -m hookline.providers`; a test says when it is no longer current. -->

What Hookline knows of {len(PROVIDERS)} senders. `provider = "…"` of a source names one. Every source may also say
`type`, `id` and `subject` itself (`type = "body.event"`), and `public_url`, where the URL that the provider was told is
not `public_url` of the server plus the source's path.

*Own time* is the one that the provider gives the event. *Tolerance* is how far a signed time may be from ours, to both
sides. *Deadline* is how long the provider waits for its answer. Where neither time nor id is covered by the signature
and bodies never repeat, a known body under a new id is held for review.
"""


_GENERIC = """\
A sender that is not listed needs no code:

```toml
[sources.billing]
provider  = "hmac"
secrets   = ["env:BILLING_SECRET"]
signature = { header = "X-Sig", prefix = "sha256=", encoding = "hex", signs = "{timestamp}.{body}" }
timestamp = { header = "X-Time", tolerance = "5m" }
id        = "header.X-Id"
type      = "body.event"
```

| Key | Says |
|---|---|
| `signature.header` | the header with the signature |
| `signature.algorithm` | `sha256` (the default), `sha1`, `sha384` or `sha512` |
| `signature.encoding` | `hex` (the default), `hex-upper` or `base64` |
| `signature.prefix` | what stands before the signature |
| `signature.signs` | the signed text: `{body}`, `{timestamp}`, `{url}`, `{method}`, `{header.X-Name}` and text |
| `signature.key` | how the secret is written: `text` (the default), `hex`, `base64` or `whsec` |
| `signature.separator`, `.assign`, `.label`, `.time` | for `t=1,v1=ab,v1=cd`: `","`, `"="`, `"v1"` and `"t"` |
| `signature.repeats` | `true` where the header comes several times while secrets are exchanged |
| `timestamp.header`, `.unit`, `.tolerance` | its header, `s`, `ms` or `iso`, and how far it may be from our time |
| `token.header` or `token.query`, `token.prefix` | for `token`: where the secret itself is |
| `token.header`, `.prefix`, `.query`, `.algorithm`, `.keys_url` | for `jwt`: where it is, and whose key made it |
| `issuer`, `audience`, `body_hash` | for `jwt`: what its claims must say |
| `id`, `type`, `subject` | `header.X-Name`, `body.a.b`, `form.a` or `query.a` |
"""


def page() -> str:
    return "\n".join((_HEAD, *_trades(), _GENERIC))


def _trades() -> Iterator[str]:
    for trade, rows in TRADES.items():
        yield f"## {trade}\n"
        for row in rows:
            yield from _row(row)


def _row(row: Provider) -> Iterator[str]:
    yield f"### {row.title}\n"
    yield f'`provider = "{row.name}"` · [its documentation]({row.docs})\n'
    facts = {
        "Secret": row.credential,
        "Proof": proof(row),
        "Type": said(row.type),
        "Id": said(row.id) if row.id is not None else "none: the digest of body and signed time, for 15 minutes",
        "Own time": said(row.occurred_at),
        "Subject": said(row.subject),
        "Live or test": said(row.live),
        "Batches": "split into their items" if row.split is not None else "",
        "Tolerance": f"{row.tolerance:g} s" if row.tolerance is not None else "",
        "Deadline": f"{row.deadline:g} s",
        "Retries": "yes" if row.retries else "**none**",
        "Methods": ", ".join(sorted(row.methods)) if len(row.methods) > 1 else "",
        "Handshake": "answered" if row.handshake or row.unsigned_handshake else "",
        "Answer": f"{row.ack.status}" if row.ack.status != 200 else "",
        "Bad signature": f"{row.refuse}" if row.refuse != 401 else "",
        "Its own keys": ", ".join(f"`{name}`" for name in sorted(row.options)),
    }
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {value} |" for name, value in facts.items() if value)
    yield f"\n{row.notes}\n" if row.notes else ""


def proof(row: Provider) -> str:
    """How a request proves where it is from, in a line."""
    covered = " and ".join(
        part for part, yes in (("time", row.signs_time), ("id", row.signs_id), ("URL", row.signs_url)) if yes
    )
    also = f"; covers {covered} too" if covered else ""
    match row.scheme:
        case Hmac() as scheme:
            where = f"`{scheme.header}: {scheme.prefix}…`" if scheme.items is None else f"`{scheme.header}`"
            what = f" of `{scheme.signs}`" if isinstance(scheme.signs, str) else " of a text of its own"
            return f"{where}, HMAC {scheme.algorithm.upper()} in {scheme.encoding}{what}{also}"
        case Asymmetric() as scheme:
            return f"`{scheme.header}`, {scheme.kind} in {scheme.encoding} of `{scheme.signs}`{also}"
        case StandardWebhooks() as scheme:
            return f"`{scheme.prefixes[0]}signature`, Standard Webhooks{also}"
        case Token() as scheme:
            place, _, name = scheme.place.partition(".")
            return f"the secret itself, in the {place} `{name}`"
        case Authorization() as scheme:
            return f"the secret itself, in `Authorization` ({' or '.join(scheme.forms)})"
        case Jwt() as scheme:
            return f"`{scheme.header}: {scheme.prefix}…`, a {scheme.algorithm} token{also}"
    headers = ", ".join(f"`{name}`" for name in row.scheme.headers())
    return f"{headers or 'inside the body'}, a scheme of its own{also}"


def said(field: Field | None) -> str:
    """A field in words."""
    match field:
        case None:
            return ""
        case str():
            return f"`{field}`"
        case First(fields):
            return ", else ".join(said(part) for part in fields)
        case Join(separator, fields):
            return f" + `{separator}` + ".join(said(part) for part in fields)
        case Time(inner):
            return said(inner)
        case Flag(inner, live, test):
            words = [f"`{word}` is live" for word in live[:1]] + [f"`{word}` is test" for word in test[:1]]
            return f"{said(inner)}: {', '.join(words)}"
    return "told from the content"
