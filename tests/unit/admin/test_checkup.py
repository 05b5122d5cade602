"""What a machine must have before events are kept on it."""

from __future__ import annotations

import http.server
import threading
from email.utils import formatdate
from pathlib import Path

import pytest

from hookline.admin import checkup
from hookline.config import Config, Limits

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /srv/nfs nfs4 rw 0 0
overlay /container overlay rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
/dev/sdb1 /srv/nfs/local\\040disk xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "state", "what"),
    [
        ("/var/lib/hookline.db", "ok", "ext4"),
        ("/srv/nfs/hookline.db", "problem", "nfs4"),
        ("/srv/nfs/local disk/hookline.db", "ok", "xfs"),
        ("/container/hookline.db", "warning", "container"),
        ("/dev/shm/hookline.db", "problem", "memory"),
        ("/srv/nfsx/hookline.db", "ok", "ext4"),
    ],
)
def test_a_store_belongs_on_a_local_disk(path, state, what):
    found = checkup.file_system(Path(path), MOUNTS)
    assert found.state == state
    assert what in found.what


def test_a_full_disk_is_a_problem_before_it_is_full(tmp_path):
    refused = Config(limits=Limits(disk_refuse=1 << 62, disk_warn=1 << 62))
    warned = Config(limits=Limits(disk_refuse=0, disk_warn=1 << 62))
    assert checkup.disk(tmp_path, refused).state == "problem"
    assert checkup.disk(tmp_path, warned).state == "warning"
    assert checkup.disk(tmp_path, Config(limits=Limits(disk_refuse=0, disk_warn=0))).state == "ok"


def test_a_store_that_others_can_read_is_told(tmp_path):
    store = tmp_path / "hookline.db"
    store.touch(mode=0o600)
    assert checkup.permissions(store).state == "ok"
    store.chmod(0o644)
    assert checkup.permissions(store).cure == f"chmod 600 {store}"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("10.0.0.5:80", "http://10.0.0.5:80"),
    ],
)
def test_a_door_is_reached_from_its_own_machine(address, url):
    assert checkup.local_url(address) == url


class Answer(http.server.BaseHTTPRequestHandler):
    status, moment = 200, None

    def do_GET(self):
        self.send_response_only(self.status)
        self.send_header("Date", formatdate(self.moment, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def answering():
    handler = type("Handler", (Answer,), {})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_door_that_answers_is_well(answering):
    assert checkup.door("public door", answering[1]).state == "ok"


def test_a_clock_that_is_off_is_a_problem(answering):
    answering[0].moment = 1_000_000_000
    found = checkup.door("public URL", answering[1])
    assert found.state == "problem"
    assert "ahead" in found.what


def test_something_else_at_the_url_is_told(answering):
    answering[0].status = 404
    assert "answers 404" in checkup.door("public URL", answering[1]).what


def test_nobody_at_the_url_is_told():
    assert checkup.door("public URL", "http://127.0.0.1:9").state == "warning"


def test_the_worst_check_is_what_counts():
    ok, warning, problem = (checkup.Check(name="x", state=state, what="") for state in ("ok", "warning", "problem"))
    assert checkup.worst([]) == "ok"
    assert checkup.worst([ok, warning]) == "warning"
    assert checkup.worst([warning, problem, ok]) == "problem"
