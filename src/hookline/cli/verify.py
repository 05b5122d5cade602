"""``hookline verify``: why a signature fails, by name, and the cure."""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path

import click

from hookline.admin.objects import Verdict
from hookline.cli import exits, output
from hookline.cli.client import connect
from hookline.cli.options import options, reads
from hookline.cli.requests import findings
from hookline.payload import visible


@click.command()
@click.argument("request", required=False)
@click.option("--source", help="Whose request it should be: its secrets and settings.")
@click.option("--provider", help="The same without a settings file; with --secret.")
@click.option("--secret", "secrets", multiple=True, metavar="REF", help="env:NAME or file:PATH; repeats.")
@click.option("--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="As received; repeats.")
@click.option("--body", metavar="TEXT|@FILE", help="As received; @- reads stdin.")
@click.option("--url", default="", help="Where it was sent, for providers that sign the URL.")
@click.option("--method", default="POST", show_default=True)
@reads
def verify(
    request: str | None,
    source: str | None,
    provider: str | None,
    secrets: tuple[str, ...],
    headers: tuple[str, ...],
    body: str | None,
    url: str,
    method: str,
) -> None:
    """Say by name why the signature of a request fails, and the cure. Ends with 3 if it does.

    \b
    hookline verify req_…                 one that was rejected here
    hookline verify latest                the last of them
    hookline verify --source stripe -H 'Stripe-Signature: t=…,v1=…' --body @event.json
    hookline verify --provider github --secret env:S -H 'X-Hub-Signature-256: sha256=…' --body @push.json
    """
    if request is not None:
        verdict = _stored(request)
    elif body is None:
        raise exits.Stop(exits.USAGE, "say which: a req_… id, or --source (or --provider) with -H and --body")
    elif provider is not None:
        verdict = _alone(provider, secrets, _pairs(headers), _bytes(body), url, method)
    elif source is not None:
        with connect() as client:
            verdict = client.call(
                "verify_request",
                name=source,
                headers=_pairs(headers),
                body_base64=base64.b64encode(_bytes(body)).decode(),
                method=method,
                url=url,
            )
    else:
        raise exits.Stop(exits.USAGE, "say whose request it should be: --source NAME, or --provider NAME --secret REF")
    if options().json:
        output.objects([verdict])
    elif verdict.genuine:
        output.say(output.paint("genuine", "green"))
    else:
        output.say(f"{output.paint('not genuine', 'red')}: {visible(verdict.reason or '')}")
        findings(verdict.findings)
    if not verdict.genuine:
        raise exits.Stop(exits.PROBLEMS)


def _stored(request: str) -> Verdict:
    with connect() as client:
        if request == "latest":
            last = next(iter(client.rows("list_requests", 1, q="outcome:rejected")), None)
            if last is None:
                raise exits.Stop(exits.NOT_FOUND, "no request was rejected")
            request = last.id
        verdict: Verdict = client.call("reverify_request", id=request, dry_run=True)
    return verdict


def _alone(
    provider: str, references: tuple[str, ...], headers: list[tuple[str, str]], body: bytes, url: str, method: str
) -> Verdict:
    """Without any settings: the provider's name and the secrets are enough."""
    from hookline.admin.operations.judge import verdict
    from hookline.config import Source, resolve
    from hookline.model import Request
    from hookline.secrets import is_reference

    if not all(is_reference(reference) for reference in references):
        raise exits.Stop(exits.USAGE, "--secret: write env:NAME or file:PATH: all users see what stands in a command")
    place, _, query = url.partition("?")
    path = "/" + place.partition("://")[2].partition("/")[2]
    source = Source(name=provider, provider=provider, environment="production", path=path, url=place)
    request = Request(
        method=method,
        target=(f"{path}?{query}" if query else path).encode(),
        headers=[(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers],
        body=body,
        received_at=time.time(),
    )
    return verdict(source, [resolve(reference) for reference in references], request, {})


def _pairs(headers: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for text in headers:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise exits.Stop(exits.USAGE, f"-H {text}: write 'NAME: VALUE'")
        found.append((name.strip(), value.strip()))
    return found


def _bytes(body: str) -> bytes:
    if body == "@-":
        return sys.stdin.buffer.read()
    if not body.startswith("@"):
        return body.encode("utf-8", "surrogateescape")
    try:
        return Path(body[1:]).read_bytes()
    except OSError as problem:
        raise exits.Stop(exits.USAGE, f"--body {body}: {problem.strerror}") from None
