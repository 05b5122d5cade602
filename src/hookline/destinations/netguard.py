"""Where we may connect to: the one gate for everything that leaves (deliveries, tests, keys, alerts).

A URL is read once, strictly, and what was read is what connects: resolve, check every address, connect to a checked
one. Private ranges are open only to what the operator lists in ``[server] allow_private``; metadata addresses and the
tunnels into IPv4 never are. ``ipaddress.is_global`` alone is no filter: it takes NAT64, 6to4, IPv4-compatible and
multicast addresses for global ones.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hookline.errors import ConfigError, HooklineError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host; OSError where it has none."""


class Blocked(HooklineError):
    """A host that we may not connect to. The message says why and, where there is one, the cure."""


class Target(msgspec.Struct, frozen=True):
    """An URL, read."""

    scheme: str
    host: str
    """A lower-case name, or an address without brackets."""
    port: int
    path: str
    """Path and query, as in a request line."""

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host_header}"


_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,254})(?::([0-9]{1,5}))?(/[!-~]*|\?[!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_OCTET = r"(?:0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_QUAD = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""A last label like this makes the C library read the whole name as an address: 127.1, 0x7f.1, 2130706433."""


def read_url(url: str) -> Target:
    """:raises Blocked: for what is no plain http(s) URL, with the reason."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise Blocked("a URL must not carry a user or password: use a header")
    found = _URL.fullmatch(url)
    if found is None:
        raise Blocked("not a plain http:// or https:// URL (international names as xn--…, no spaces, no fragment)")
    scheme, host, digits, path = found.groups()
    scheme = scheme.lower()
    port = int(digits) if digits else _PORTS[scheme]
    if not 0 < port < 65_536:
        raise Blocked(f"port {port} does not exist")
    path = path or "/"
    return Target(scheme, read_host(host), port, path if path.startswith("/") else "/" + path)


def read_host(host: str) -> str:
    """A host as it will be connected to: a strict address literal, or a name that no library takes for a number.

    :raises Blocked: otherwise.
    """
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise Blocked(f"{host} is no IPv6 address") from None
    if _QUAD.fullmatch(host):
        return host
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Blocked(f"{host!r} is no host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise Blocked(f"{host!r} is an address in disguise: write it as four decimal numbers")
    return name


class _Range(msgspec.Struct, frozen=True):
    network: Network
    what: str
    never: bool
    """True where even the operator's list opens nothing."""


def _range(network: str, what: str, never: bool = False) -> _Range:
    return _Range(ipaddress.ip_network(network), what, never)


RANGES = (
    # never: other people's credentials live here, or the address is a way around this table
    _range("169.254.0.0/16", "a link-local or metadata address", True),
    _range("168.63.129.16/32", "a metadata address", True),
    _range("100.100.100.200/32", "a metadata address", True),
    _range("192.0.0.192/32", "a metadata address", True),
    _range("fd00:ec2::/32", "a metadata address", True),
    _range("fe80::/10", "a link-local address", True),
    _range("0.0.0.0/8", "no address of a host", True),
    _range("224.0.0.0/4", "a multicast address", True),
    _range("240.0.0.0/4", "a reserved address", True),
    _range("ff00::/8", "a multicast address", True),
    _range("::/128", "no address of a host", True),
    _range("64:ff9b::/96", "an IPv4 address in a tunnel", True),
    _range("64:ff9b:1::/48", "an IPv4 address in a tunnel", True),
    _range("2002::/16", "an IPv4 address in a tunnel", True),
    _range("2001::/32", "an IPv4 address in a tunnel", True),
    # private: open to what the operator lists
    _range("127.0.0.0/8", "a loopback address"),
    _range("::1/128", "a loopback address"),
    _range("10.0.0.0/8", "a private address"),
    _range("172.16.0.0/12", "a private address"),
    _range("192.168.0.0/16", "a private address"),
    _range("100.64.0.0/10", "a private address (carrier-grade NAT)"),
    _range("fc00::/7", "a private address"),
    _range("fec0::/10", "a private address"),
    _range("192.0.0.0/24", "a reserved address"),
    _range("192.0.2.0/24", "a documentation address"),
    _range("192.88.99.0/24", "a reserved address"),
    _range("198.18.0.0/15", "a benchmark address"),
    _range("198.51.100.0/24", "a documentation address"),
    _range("203.0.113.0/24", "a documentation address"),
    _range("100::/64", "a discard address"),
    _range("2001::/23", "a reserved address"),
    _range("2001:db8::/32", "a documentation address"),
    _range("3fff::/20", "a documentation address"),
    _range("5f00::/16", "a reserved address"),
    _range("::/96", "an IPv4 address in a tunnel"),
)
_GLOBAL_6 = ipaddress.ip_network("2000::/3")


def classify(address: Address) -> tuple[str, bool] | None:
    """What is special about an address, and whether that is for ever; None for a public one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return classify(address.ipv4_mapped)
        if address.scope_id is not None:
            return "a link-local address", True
    for entry in RANGES:
        if address.version == entry.network.version and address in entry.network:
            return entry.what, entry.never
    if address.version == 6 and address not in _GLOBAL_6:
        return "an address that nobody has been given", False
    return None


class Guard:
    """The operator's list, and the check that everything passes."""

    def __init__(self, allow_private: Sequence[str] = (), *, resolve: Resolve | None = None) -> None:
        """``allow_private``: host names (``ci.internal``, ``*.internal``), addresses and networks. ConfigError names
        what is none of them."""
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        self._networks: list[Network] = []
        self._resolve = resolve or _system
        for entry in allow_private:
            self._allow(entry.strip())

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(entry.removeprefix("[").removesuffix("]"), strict=False))
            return
        except ValueError:
            pass
        try:
            if entry.startswith("*."):
                self._suffixes.append("." + read_host(entry[2:]))
            else:
                self._names.add(read_host(entry))
        except Blocked as problem:
            raise ConfigError(
                f'server.allow_private: {problem}; write "ci.internal", "*.internal", "10.1.2.3" or "10.1.0.0/16"'
            ) from None

    def check(self, host: str, address: str) -> Address:
        """The address of ``host``, if we may connect to it. :raises Blocked: if not."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            raise Blocked(f"{host} resolved to {address!r}, which is no address") from None
        special = classify(found)
        if special is None:
            return found
        what, never = special
        named = f"{found} is {what}" if host == address else f"{host} resolved to {found}, {what}"
        if never:
            raise Blocked(f"{named}: never reachable from here")
        if self._allowed(host, found):
            return found
        raise Blocked(f"{named}: add it to [server] allow_private if that is meant")

    def _allowed(self, host: str, address: Address) -> bool:
        plain = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (
            host in self._names
            or any(host.endswith(suffix) for suffix in self._suffixes)
            or any((plain or address) in network for network in self._networks)
        )

    async def addresses(self, target: Target) -> list[str]:
        """The addresses to connect to, in the resolver's order. One bad address among them blocks all: who answers
        with a public and a private one is up to something.

        :raises Blocked: if we may not. :raises OSError: if the name has no address.
        """
        literal = ":" in target.host or _QUAD.fullmatch(target.host) is not None
        found = [target.host] if literal else await self._resolve(target.host, target.port)
        if not found:
            raise OSError(f"{target.host} has no address")
        return [str(self.check(target.host, address)) for address in dict.fromkeys(found)]

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket, for protocols whose library takes one. Raises as :meth:`addresses` does."""
        loop = asyncio.get_running_loop()
        problem: OSError | None = None
        for address in await self.addresses(Target("tcp", host, port, "")):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                await loop.sock_connect(sock, (address, port))
                return sock
            except OSError as trouble:
                sock.close()
                problem = trouble
            except BaseException:
                sock.close()
                raise
        assert problem is not None
        raise problem


async def _system(host: str, port: int) -> list[str]:
    """The system's resolver, which may not fill in a search domain: ``host`` is fully qualified where it has a dot."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(info[4][0]) for info in infos]
