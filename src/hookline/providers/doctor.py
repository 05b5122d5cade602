"""Why does a signature fail? Tries what usually goes wrong, one thing at a time, until the signature fits.

Pure: it reads nothing but its arguments, and says nothing of a secret but where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from hookline.config import Source
from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.model import Request
from hookline.payload import parse
from hookline.providers.base import Provider
from hookline.providers.binding import bind_row, configured
from hookline.providers.facts import AHEAD, MALFORMED, MISSING, NO_TIME, REPEATED, STALE
from hookline.providers.keys import Keys
from hookline.providers.recognise import recognise
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.schemes.mac import ALGORITHMS
from hookline.providers.table import PROVIDERS

FOREVER = 1e12
"""A tolerance in which every time lies: what fails then is not the clock."""


FINDINGS = (
    "body re-encoded",
    "header twice",
    "meant for another",
    "name in the secret",
    "newline added",
    "newline lost",
    "newline missing from the secret",
    "newlines changed",
    "no key",
    "no signature",
    "no timestamp",
    "other provider",
    "other source's secret",
    "prefix",
    "quotes in the secret",
    "stale clock",
    "unusable secret",
    "unusable setting",
    "whitespace in the secret",
    "wrong URL",
    "wrong encoding",
    "wrong secret",
)
"""Every name of a finding: what pages, scripts and people know them by."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: its name, the evidence, and what to do."""

    name: str
    why: str
    cure: str


def diagnose(
    source: Source,
    secrets: Sequence[str],
    request: Request,
    now: float,
    *,
    others: Mapping[str, Sequence[str]] | None = None,
    keys: Keys | None = None,
) -> list[Finding]:
    """What is wrong with a request of ``source``; empty if nothing is.

    ``others`` holds the secrets of other sources by name: mixing them up is the commonest mistake. ``now`` is the
    moment at which the request arrived, in unix seconds. Total, as the checks are.
    """
    try:
        row = configured(source)
    except ConfigError as problem:
        return [Finding("unusable setting", str(problem), "Correct the setting; no request can be checked until then.")]
    try:
        bind_row(row, source, secrets, keys)
    except ConfigError as problem:
        return [_unusable(problem, row, source, secrets)]
    patient = _Patient(row, source, secrets, request, keys)
    reason = patient.reason(now)
    if reason is None:
        return []
    if reason in (STALE, AHEAD):
        return [_clock(patient, reason, now)]
    finding = _by_reason(reason, row, request)
    if finding is not None:
        return [finding]
    for attempt in (_secrets, _others(others or {}), _bodies, _urls, _schemes):
        for finding, cured in attempt(patient):
            if cured:
                return [finding]
    return [
        Finding(
            "wrong secret",
            "No usual mistake explains it: another secret made the signature, or the body was changed on its way.",
            f"Copy it again: {row.credential}. If it is right, compare the body with the one that the provider shows.",
        )
    ]


class _Patient:
    """The request and its source, to be tried with one thing changed."""

    def __init__(
        self, row: Provider, source: Source, secrets: Sequence[str], request: Request, keys: Keys | None
    ) -> None:
        self.row = row
        self.source = source
        self.secrets = secrets
        self.request = request
        self.keys = keys

    def reason(self, now: float, tolerance: float | None = None) -> str | None:
        """Why the request is refused; None if it is not."""
        source = self.source
        if tolerance is not None:
            source = msgspec.structs.replace(source, tolerance=tolerance)
        try:
            bind_row(self.row, source, self.secrets, self.keys).check(self.request, now)
        except (Rejected, Unavailable) as no:
            return no.reason
        except ConfigError:
            return "unusable secret"
        return None

    def fits(
        self,
        *,
        row: Provider | None = None,
        secrets: Sequence[str] | None = None,
        body: bytes | None = None,
        url: str | None = None,
    ) -> bool:
        """Whether the signature fits with these things changed, whatever the clock says."""
        source = self.source
        if url is not None:
            options = {key: value for key, value in source.options.items() if key != "public_url"}
            source = msgspec.structs.replace(source, url=url, options=options)
        request = self.request if body is None else msgspec.structs.replace(self.request, body=body)
        other = _Patient(row or self.row, source, self.secrets if secrets is None else secrets, request, self.keys)
        return other.reason(request.received_at, FOREVER) is None


Attempt = Callable[[_Patient], Iterator[tuple[Finding, bool]]]


def _unusable(problem: ConfigError, row: Provider, source: Source, secrets: Sequence[str]) -> Finding:
    """A secret that cannot be decoded: perhaps only because of what stands around it."""
    for index, secret in enumerate(secrets):
        for name, cured, cure in _spellings(secret):
            try:
                bind_row(row, source, [cured], None)
            except ConfigError:
                continue
            return Finding(name, str(problem), f"secrets[{index}]: {cure}.")
    return Finding("unusable secret", str(problem), f"Copy it again: {row.credential}.")


def _clock(patient: _Patient, reason: str, now: float) -> Finding:
    """The signature is right and its time is not: how far off, found by asking."""
    low, high = 0.0, 4e9
    while high - low > 1:  # the least tolerance that lets it pass is its age
        middle = (low + high) / 2
        low, high = (middle, high) if patient.reason(now, middle) is not None else (low, middle)
    apart = int(high)
    if reason == STALE:
        why = f"The signature is right, and {_duration(apart)} older than the clock of this machine."
        cure = "Compare this machine's clock (timedatectl). If it is right, the request is a replay, or was held up."
    else:
        why = f"The signature is right, and {_duration(apart)} ahead of the clock of this machine."
        cure = "Set this machine's clock (timedatectl set-ntp true)."
    return Finding("stale clock", why, cure)


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _by_reason(reason: str, row: Provider, request: Request) -> Finding | None:
    """What the refusal itself tells."""
    sender = recognise(request)
    wanted = ", ".join(row.scheme.headers()) or "a signature in the body"
    if reason in (MISSING, MALFORMED) and sender is not None and sender != row.name:
        title = PROVIDERS[sender].title
        return Finding(
            "other provider", f"The headers are those of {title}.", f"Point it at a source of provider {sender}."
        )
    if reason == MISSING:
        why = f"The request carries none of: {wanted}."
        return Finding("no signature", why, f"Set a secret at {row.title}, or see whether a proxy drops the header.")
    if reason == NO_TIME:
        return Finding("no timestamp", "The header with the time is missing.", "See whether a proxy drops it.")
    if reason == REPEATED:
        return Finding("header twice", "A header that proves something comes twice.", "See which proxy adds one.")
    if reason in _ANOTHERS:
        why = f"Its signature may be right, and yet it is refused: {reason}."
        keys = ", ".join(sorted(row.options)) or "the settings"
        return Finding("meant for another", why, f"Compare {keys} of the source with what the sender says.")
    if reason == "key not fetched yet":
        return Finding("no key", f"The public key of {row.title} is not here yet.", "It is being fetched; try again.")
    return None


_ANOTHERS = frozenset(
    {
        "foreign certificate",
        "missing token",
        "no app_ids configured",
        "wrong account",
        "wrong audience",
        "wrong issuer",
        "wrong publisher",
        "wrong topic",
    }
)


def _spellings(secret: str) -> Iterator[tuple[str, str, str]]:
    """The mistake, the secret without it, and the cure."""
    bare = secret.strip()
    if bare != secret:
        yield "whitespace in the secret", bare, "remove the whitespace (often a newline at its end)"
    unquoted = bare.strip("\"'`")
    if unquoted != bare:
        yield "quotes in the secret", unquoted, "remove the quotes around it"
    name, equals, value = unquoted.partition("=")
    if equals and value.strip() and name.replace("_", "").isalnum() and name.isupper():
        yield "name in the secret", value.strip(), "give only what stands after the ="
    yield (
        "newline missing from the secret",
        secret + "\n",
        "the sender's secret ends with a newline: set it again without",
    )
    for prefix in ("whsec_", "sha256="):
        if bare.startswith(prefix):
            yield "prefix", bare.removeprefix(prefix), f"give it without {prefix}"
        else:
            yield "prefix", prefix + bare, f"give it with {prefix} before it"


def _secrets(patient: _Patient) -> Iterator[tuple[Finding, bool]]:
    """Whitespace, quotes, prefixes; and text taken for hex or base64, or the other way round."""
    scheme = patient.row.scheme
    for index, secret in enumerate(() if patient.row.no_secret else patient.secrets):
        for name, cured, cure in _spellings(secret):
            why = f"With that changed in secrets[{index}] the signature fits."
            yield Finding(name, why, f"secrets[{index}]: {cure}."), patient.fits(secrets=[cured])
        if isinstance(scheme, Hmac):
            for form in ("text", "hex", "base64", "whsec"):
                row = _with(patient.row, scheme, key=form)
                finding = Finding(
                    "wrong encoding",
                    f"The signature fits if secrets[{index}] is read as {form}, not as {scheme.key}.",
                    f'Set signature.key = "{form}", or give the secret as {scheme.key}.',
                )
                yield finding, form != scheme.key and patient.fits(row=row, secrets=[secret.strip()])


def _others(others: Mapping[str, Sequence[str]]) -> Attempt:
    def attempt(patient: _Patient) -> Iterator[tuple[Finding, bool]]:
        for name, secrets in others.items():
            for secret in secrets:
                finding = Finding(
                    "other source's secret",
                    f"The signature fits the secret of the source {name}.",
                    f"Point the sender at the URL of {name}, or exchange the two secrets.",
                )
                yield finding, name != patient.source.name and patient.fits(secrets=[secret])

    return attempt


def _bodies(patient: _Patient) -> Iterator[tuple[Finding, bool]]:
    cure = "Something on the way changes bodies (a proxy, a framework, a test tool): let it pass the raw bytes on."
    for name, why, body in _rewritten(patient.request):
        yield Finding(name, why, cure), body != patient.request.body and patient.fits(body=body)


def _rewritten(request: Request) -> Iterator[tuple[str, str, bytes]]:
    """The body as it may have been when it was signed."""
    body = request.body
    for end in (b"\n", b"\r\n"):
        yield "newline lost", "The signature fits the body with a newline at its end.", body + end
    if body.endswith((b"\n", b"\r")):
        yield "newline added", "The signature fits the body without the newline at its end.", body.rstrip(b"\r\n")
        yield "newline added", "The signature fits the body without its last newline.", body[:-1]
    yield (
        "newlines changed",
        "The signature fits the body with CR LF for LF.",
        body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    )
    yield "newlines changed", "The signature fits the body with LF for CR LF.", body.replace(b"\r\n", b"\n")
    yield (
        "body re-encoded",
        "The signature fits the body without a byte order mark.",
        body.removeprefix(b"\xef\xbb\xbf"),
    )
    try:
        yield "body re-encoded", "The body was read as Latin-1 and written as UTF-8.", body.decode().encode("latin-1")
    except (UnicodeDecodeError, UnicodeEncodeError):
        pass
    value = parse(body)
    if isinstance(value, dict | list):
        for how, written in _json_spellings(value):
            yield "body re-encoded", f"The signature fits the JSON written {how}.", written
    elif b"=" in body:
        for how, written in _form_spellings(body):
            yield "body re-encoded", f"The signature fits the form written {how}.", written


def _json_spellings(value: object) -> Iterator[tuple[str, bytes]]:
    for ascii_only in (True, False):
        letters = "with \\u escapes" if ascii_only else "without \\u escapes"
        spellings = (
            (f"compactly, {letters}", json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)),
            (f"with spaces after commas and colons, {letters}", json.dumps(value, ensure_ascii=ascii_only)),
            (f"over several lines, {letters}", json.dumps(value, indent=2, ensure_ascii=ascii_only)),
        )
        for how, written in spellings:
            raw = written.encode("utf-8", "surrogatepass")
            yield how, raw
            yield f"{how}, slashes escaped", raw.replace(b"/", b"\\/")


def _form_spellings(body: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        return
    yield "with + for spaces", urlencode(pairs).encode()
    yield "with %20 for spaces", urlencode(pairs, quote_via=quote).encode()


def _urls(patient: _Patient) -> Iterator[tuple[Finding, bool]]:
    """As the provider may have been told: other scheme, host, port, slash or query."""
    if not patient.row.signs_url:
        return
    for url in _spelled_urls(patient.source, patient.request):
        finding = Finding(
            "wrong URL",
            f"The signature fits the URL {url}.",
            f'Set public_url of this source to "{url}", or correct the URL at the provider.',
        )
        yield finding, patient.fits(url=url)


def _spelled_urls(source: Source, request: Request) -> Iterator[str]:
    url = str(source.options.get("public_url", source.url))
    parts = urlsplit(url)
    path = request.target.partition(b"?")[0].decode("latin-1")
    hosts = [parts.netloc]
    for header in (b"x-forwarded-host", b"host"):
        value = request.header(header)
        if value is not None:
            hosts.append(value.decode("latin-1")[:255])
    for host in dict.fromkeys(hosts):
        bare = host.rpartition(":")[0] if ":" in host else host
        for scheme in (parts.scheme, "http" if parts.scheme == "https" else "https"):
            for name in dict.fromkeys((host, bare, f"{bare}:443", f"{bare}:80")):
                for place in dict.fromkeys((parts.path, path, parts.path.rstrip("/"), parts.path.rstrip("/") + "/")):
                    spelled = urlunsplit((scheme, name, place, "", ""))
                    if spelled != url:
                        yield spelled


def _schemes(patient: _Patient) -> Iterator[tuple[Finding, bool]]:
    """Another algorithm or encoding than configured, for those who configure it."""
    scheme = patient.row.scheme
    if not isinstance(scheme, Hmac):
        return
    for algorithm in ALGORITHMS:
        for encoding in ("hex", "hex-upper", "base64"):
            for prefix in dict.fromkeys((scheme.prefix, "", "sha256=", "sha1=", "v1=")):
                if (algorithm, encoding, prefix) == (scheme.algorithm, scheme.encoding, scheme.prefix):
                    continue
                finding = Finding(
                    "wrong encoding",
                    f"The signature fits as {algorithm} in {encoding}{f' after {prefix}' if prefix else ''}.",
                    f'Set signature = {{ algorithm = "{algorithm}", encoding = "{encoding}", prefix = "{prefix}" }}.',
                )
                row = _with(patient.row, scheme, algorithm=algorithm, encoding=encoding, prefix=prefix)
                yield finding, patient.fits(row=row)


def _with(row: Provider, scheme: Hmac, **changes: str) -> Provider:
    return msgspec.structs.replace(row, scheme=msgspec.structs.replace(scheme, **changes))
