"""Where we may connect to: one table of URLs, the operator's list, and a name server that changes its mind."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import pytest
from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSServer
from hypothesis import given
from hypothesis import strategies as st

from hookline.destinations.client import CallFailed, Client
from hookline.destinations.netguard import Blocked, Guard, Target, classify, read_host, read_url
from hookline.errors import ConfigError

GOOD = [
    ("https://example.com", Target("https", "example.com", 443, "/")),
    ("HTTPS://Example.COM/Path?Q=1", Target("https", "example.com", 443, "/Path?Q=1")),
    ("http://example.com:8080/", Target("http", "example.com", 8080, "/")),
    ("https://example.com?x=1", Target("https", "example.com", 443, "/?x=1")),
    ("https://example.com./a", Target("https", "example.com", 443, "/a")),
    ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
    ("https://my_host.internal/", Target("https", "my_host.internal", 443, "/")),
    ("https://localhost:1/", Target("https", "localhost", 1, "/")),
    ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
    ("https://[2606:4700:4700::1111]:65535/", Target("https", "2606:4700:4700::1111", 65535, "/")),
    ("https://[2606:4700:4700:0:0:0:0:1111]/", Target("https", "2606:4700:4700::1111", 443, "/")),
    ("https://1.example/", Target("https", "1.example", 443, "/")),
    ("https://a.b1/", Target("https", "a.b1", 443, "/")),
    ("https://0x7f.com/", Target("https", "0x7f.com", 443, "/")),
    ("https://example.com/%00%2e%2e//x;y", Target("https", "example.com", 443, "/%00%2e%2e//x;y")),
]

UNREADABLE = [
    "",
    "example.com",
    "//example.com",
    "ftp://example.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "javascript:alert(1)",
    "http:example.com",
    "http:/example.com",
    "http:///example.com",
    "https://",
    "https://:443/",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://example.com#x",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\\.evil.com/",
    "https://exam ple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nX: y",
    "https://example.com/\n",
    "\thttps://example.com",
    " https://example.com",
    "https://example.com ",
    "https://exam\tple.com",
    "https://example.com\0.evil.com",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:8e1/",
    "https://example.com:/x:y@z/",
    "https://example.com:443:80/",
    "https://.example.com/",
    "https://example..com/",
    "https://-a.com/",
    "https://a-.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + ".".join(["a" * 60] * 5) + "/",
    "https://[::1",
    "https://::1/",
    "https://[::1]x/",
    "https://[fe80::1%25eth0]/",
    "https://[::ffff:1.2.3.4.5]/",
    "https://[1.2.3.4]/",
    "https://[]/",
    "https://[::g]/",
    # spellings that the C library reads as addresses
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0177.0.0.1/",
    "http://0177.1/",
    "http://017700000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://127.0.0.0x1/",
    "http://0/",
    "http://00/",
    "http://127.0.0.01/",
    "http://127.0.0.1.2/",
    "http://256.1.1.1/",
    "http://1.2.3.999/",
    "http://127.0.0.1../",
    "http://4294967296/",
    "http://0xffffffffff/",
    "http://0x/",
    "http://1.2.3.0x/",
    "http://169.254.43518/",
    "http://foo.0x10/",
    "http://foo.123/",
    # letters and dots that become others on the way
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://127.0.0.1/",
    "http://ⓔxample.com/",
    "http://еxample.com/",
    "http://example。com/",
    "http://ｅxample.com/",
    "http://xn--/a\u202e/",
    "http://exa\u00admple.com/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2f@example.com/",
    "http://%31%32%37.0.0.1/",
    "http://a%62c.com/",
]
UNREADABLE.remove("http://127.0.0.1/")

BLOCKED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "febf::1",
    "ff00::1",
    "ff02::1",
    "1::",
    "8000::1",
    "e000::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "2400:cb00::1",
    "2003::1",
]
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2001:0:a9fe:a9fe::",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
]


async def nobody(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host} must not be looked up")


def answering(*addresses: str):
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(("url", "target"), GOOD)
def test_an_url_is_read_as_it_will_be_connected(url, target):
    assert read_url(url) == target


@pytest.mark.parametrize("url", UNREADABLE)
def test_an_url_that_two_libraries_could_read_differently_is_refused(url):
    with pytest.raises(Blocked):
        read_url(url)


@pytest.mark.parametrize("address", BLOCKED)
async def test_an_inner_address_is_refused_as_a_literal_and_as_an_answer(address):
    with pytest.raises(Blocked):
        await Guard(resolve=answering(address)).addresses(Target("https", "evil.example", 443, "/"))
    if "%" not in address:
        with pytest.raises(Blocked):
            await Guard(resolve=nobody).addresses(Target("https", address, 443, "/"))


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_let_through(address):
    assert await Guard(resolve=answering(address)).addresses(Target("https", "good.example", 443, "/")) == [address]


@pytest.mark.parametrize("address", NEVER)
async def test_no_list_of_the_operator_opens_metadata_or_tunnels(address):
    everything = Guard(["0.0.0.0/0", "::/0", "meta.internal"], resolve=answering(address))
    with pytest.raises(Blocked, match="never"):
        await everything.addresses(Target("http", "meta.internal", 80, "/"))


async def test_one_inner_address_among_public_ones_blocks_all():
    with pytest.raises(Blocked, match=r"resolved to 10\.0\.0\.1"):
        await Guard(resolve=answering("8.8.8.8", "10.0.0.1")).addresses(Target("https", "mixed.example", 443, "/"))


@pytest.mark.parametrize(
    "entry", ["ci.internal", "*.internal", "10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "CI.internal."]
)
async def test_the_operator_opens_hosts_addresses_and_networks(entry):
    target = Target("http", "ci.internal", 80, "/")
    assert await Guard([entry], resolve=answering("10.1.2.3")).addresses(target) == ["10.1.2.3"]
    assert await Guard([entry], resolve=answering("8.8.8.8")).addresses(target) == ["8.8.8.8"]


@pytest.mark.parametrize("entry", ["ci.internal", "*.internal", "10.1.0.0/16"])
async def test_what_the_operator_did_not_list_stays_closed(entry):
    guard = Guard([entry], resolve=answering("10.2.2.3"))
    with pytest.raises(Blocked, match="allow_private"):
        await guard.addresses(Target("http", "other.example", 80, "/"))
    with pytest.raises(Blocked):
        await guard.addresses(Target("http", "evil-internal", 80, "/"))


async def test_a_network_also_opens_its_mapped_spelling():
    guard = Guard(["127.0.0.0/8", "::1"], resolve=answering("::ffff:127.0.0.1", "::1"))
    assert len(await guard.addresses(Target("http", "here", 80, "/"))) == 2


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "http://ci", "a b", "127.1", "*", "*.*", "ci.internal:80"])
def test_an_entry_that_means_nothing_is_a_configuration_error(entry):
    with pytest.raises(ConfigError, match=r"server\.allow_private"):
        Guard([entry])


@given(st.text())
def test_any_text_is_a_url_or_blocked(text):
    for url in (text, f"http://{text}", f"https://{text}/x"):
        try:
            target = read_url(url)
        except Blocked:
            continue
        assert target.host.isascii()
        assert target.path.startswith("/")
        assert not any(char in target.path + target.host for char in "\r\n\0 @\\")


@given(st.from_regex(r"[0-9a-fx.]{1,20}", fullmatch=True))
def test_what_reads_like_a_number_is_a_strict_address_or_blocked(text):
    try:
        host = read_host(text)
    except Blocked:
        return
    try:
        packed = socket.inet_aton(host)  # reads every disguise there is
    except OSError:
        return
    assert socket.inet_ntoa(packed) == host


@given(st.ip_addresses())
def test_python_calls_no_address_private_that_we_let_through(address):
    if classify(address) is None:
        mapped = getattr(address, "ipv4_mapped", None)
        assert (mapped or address).is_global
        assert not (mapped or address).is_multicast


class Rebinding(BaseResolver):
    """Public at first, this machine afterwards, forgotten at once: the oldest trick there is."""

    def __init__(self) -> None:
        self.asked = 0

    def resolve(self, request, handler):
        self.asked += 1
        reply = request.reply()
        address = "93.184.216.34" if self.asked % 2 else "127.0.0.1"
        reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=0))
        return reply


async def test_a_name_that_changes_its_mind_is_asked_once_for_each_connection(monkeypatch):
    zone = Rebinding()
    server = DNSServer(zone, address="127.0.0.1", port=0)
    server.start_thread()
    port = server.server.server_address[1]
    reached: list[object] = []
    canary = await asyncio.start_server(lambda reader, writer: reached.append(writer), "127.0.0.1", 0)
    canary_port = canary.sockets[0].getsockname()[1]
    tried: list[str] = []
    loop = asyncio.get_running_loop()

    async def resolve(host: str, _port: int) -> Sequence[str]:
        packet = DNSRecord.question(host).pack()
        answer = await asyncio.to_thread(_ask, packet, port)
        return [str(record.rdata) for record in DNSRecord.parse(answer).rr]

    async def connect(self, target, address):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(Client, "_connect_to", connect)
    client = Client(Guard(resolve=resolve))
    target = Target("http", "rebind.example", canary_port, "/")
    with pytest.raises(CallFailed):
        await client.send("POST", target, [], b"x", seconds=5)
    with pytest.raises(Blocked, match=r"127\.0\.0\.1, a loopback address"):
        await client.send("POST", target, [], b"x", seconds=5)
    assert tried == ["93.184.216.34"]  # what was checked is what was connected to
    assert zone.asked == 2
    assert reached == []
    assert loop.is_running()
    canary.close()
    await canary.wait_closed()
    server.stop()
    server.server.server_close()


def _ask(packet: bytes, port: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(packet, ("127.0.0.1", port))
        return sock.recv(4096)


def test_addresses_that_python_takes_for_global_are_in_the_table():
    """As of Python 3.11.7; newer ones know some of them."""
    for address in ("64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "fec0::1", "5f00::1", "3fff::1", "192.88.99.1"):
        assert classify(ipaddress.ip_address(address)) is not None
