"""Is it really from them? What each provider signs, how it shakes hands, and what its events are called.

``bind`` makes a source's verifier once; ``Verifier.check`` judges each request; ``verify`` does both for people who
want only the check; ``diagnose`` says why a check fails, and ``recognise`` whose request it is.
"""

from __future__ import annotations

from hookline.providers.base import Provider, Signed, Verifier
from hookline.providers.binding import bind, raw_headers, verify
from hookline.providers.doctor import Finding, diagnose
from hookline.providers.facts import CLOCK_REASONS
from hookline.providers.handshakes import Learned
from hookline.providers.keys import Keys
from hookline.providers.practice import Practice, practice
from hookline.providers.recognise import recognise
from hookline.providers.rows.msgraph import decrypt as decrypt_graph
from hookline.providers.table import PROVIDERS

__all__ = [
    "CLOCK_REASONS",
    "PROVIDERS",
    "Finding",
    "Keys",
    "Learned",
    "Practice",
    "Provider",
    "Signed",
    "Verifier",
    "bind",
    "decrypt_graph",
    "diagnose",
    "practice",
    "raw_headers",
    "recognise",
    "verify",
]
