"""TLS at the public door: a certificate chain and its key, TLS 1.2 and up, renewed without closing the door."""

from __future__ import annotations

import ssl

from hookline.errors import ConfigError


def context(certificate: str, key: str = "") -> ssl.SSLContext:
    """For the PEM files at these paths; ``key`` empty where the certificate's file holds it too.

    :raises ConfigError: names the setting and the file.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"server.certificate: {certificate}: cannot be used ({problem}): it must hold the certificate chain "
            "in PEM, and server.certificate_key its private key"
        ) from problem
    return made


def renew(used: ssl.SSLContext, certificate: str, key: str = "") -> None:
    """Take the files as they are now for every handshake to come; open connections keep what they have.

    :raises ConfigError: for files that cannot be used; the old certificate stays then.
    """
    context(certificate, key)  # in a context of its own first: half a change would be none that works
    used.load_cert_chain(certificate, key or None, password=_no_password)


def _no_password() -> str:
    """OpenSSL would ask at the terminal, where nobody sits."""
    raise ValueError("the private key has a password: the door cannot ask for it")
