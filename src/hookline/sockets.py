"""Listening sockets: made from an address, taken from systemd, handed to a child by number."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from hookline.errors import ConfigError

_FIRST_SYSTEMD_FD = 3  # sd_listen_fds(3): descriptors are passed from number 3 on
Socket = socket.socket
BACKLOG = 4_096


def parse_address(text: str, key: str) -> tuple[str, int]:
    """``"127.0.0.1:8080"``, ``"[::1]:8080"`` or ``":8080"`` as host and port; ``key`` is named in the error."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{key}: {text!r} is no address: write host:port, for example 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listen(address: str, key: str) -> socket.socket:
    """A listening socket on ``address``; a port of 0 takes a free one."""
    host, port = parse_address(address, key)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as problem:
        sock.close()
        raise ConfigError(
            f"{key}: cannot listen on {address}: {problem.strerror or problem}: "
            "stop what uses it, or set another address"
        ) from problem
    sock.setblocking(False)
    return sock


def inherited(env: Mapping[str, str], pid: int) -> dict[str, socket.socket]:
    """The sockets that systemd passed to this process, by name (``FileDescriptorName=``); unnamed ones are
    ``public`` and ``admin``, in this order. Empty when there are none."""
    if env.get("LISTEN_PID") != str(pid):
        return {}
    count = int(env.get("LISTEN_FDS", "0"))
    names = env.get("LISTEN_FDNAMES", "").split(":")
    fallback = ("public", "admin", "portal")
    found: dict[str, socket.socket] = {}
    for index in range(count):
        name = names[index] if index < len(names) else ""
        if name not in fallback:
            name = fallback[min(index, len(fallback) - 1)]
        sock = socket.socket(fileno=_FIRST_SYSTEMD_FD + index)
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
        found[name] = sock
    return found


def borrowed(name: str) -> socket.socket | None:
    """The listening socket that the parent process lent under this environment variable, if it did."""
    number = os.environ.pop(name, None)
    if number is None:
        return None
    sock = socket.socket(fileno=int(number))
    sock.setblocking(False)
    os.set_inheritable(sock.fileno(), False)
    return sock


def shown(sock: socket.socket) -> str:
    """``host:port`` of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
