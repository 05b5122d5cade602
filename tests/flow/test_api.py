"""The API over HTTP: what it answers, to whom, and what it keeps to itself."""

from __future__ import annotations

import json

import jsonschema
import pytest
from api_rig import ADMIN_TOKEN, ENVIRONMENT, MARKED, NASTY, SECRET, TOKENS, Served
from openapi_spec_validator import validate

from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import ROLES

PLACES = {"id": "evt_0000000000000", "name": "nobody"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "HOOKLINE_ADMIN_TOKEN": ADMIN_TOKEN}.items():
            patch.setenv(name, value)
        with Served(tmp_path_factory.mktemp("api")).running() as running:
            yield running


@pytest.fixture(scope="module")
def admin(served):
    with served.client("admin") as client:
        yield client


@pytest.fixture(scope="module")
def viewer(served):
    with served.client("viewer") as client:
        yield client


def ask(client, row, path=None):
    path = path or "/api/v1" + row.path.format(**PLACES)
    return client.request(row.method, path, json=None if row.reads else {})


# -- who may what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("role", [None, *ROLES])
def test_every_operation_is_for_its_roles_only(served, row, role):
    with served.client(role) as client:
        answer = ask(client, row)
    if role is None:
        assert answer.status_code == 401
    elif ROLES.index(role) < ROLES.index(row.role):
        assert answer.status_code == 403
        assert row.role in answer.json()["detail"]
    else:
        assert answer.status_code not in (401, 403, 500)


def test_reading_is_for_viewers_and_changing_never():
    for row in OPERATIONS.values():
        assert row.role != "viewer" or row.reads, row.name


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nope", "Basic eDp5", "Token x"])
def test_anything_but_a_known_token_is_refused(served, header):
    with served.client(None) as client:
        answer = client.get("/api/v1/events", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_token_of_the_environment_is_an_admin(served):
    with served.client(None) as client:
        assert client.get("/api/v1/tokens", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).status_code == 200


def test_a_new_token_works_until_it_is_revoked(served, admin):
    made = admin.post("/api/v1/tokens", json={"name": "once", "role": "viewer"})
    assert made.status_code == 201
    token = made.json()
    assert all(token["token"] not in json.dumps(row) for row in admin.get("/api/v1/tokens").json()["data"])
    with served.client(None) as client:
        client.headers["Authorization"] = f"Bearer {token['token']}"
        assert client.get("/api/v1/events").status_code == 200
    assert admin.delete(f"/api/v1/tokens/{token['id']}").json() == {"count": 1}
    assert admin.delete(f"/api/v1/tokens/{token['id']}").status_code == 404


def test_what_was_changed_is_in_the_audit_log(admin):
    made = admin.post("/api/v1/tokens", json={"name": "audited"}).json()
    rows = admin.get("/api/v1/audit").json()["data"]
    assert any(row["action"] == "token created" and row["target"] == "audited" for row in rows)
    assert made["token"] not in json.dumps(rows)


# -- what it answers ---------------------------------------------------------------------------------------------------


def test_lists_go_on_where_they_ended(admin):
    first = admin.get("/api/v1/events?limit=2").json()
    rest = admin.get("/api/v1/events", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["provider_id"] for row in first["data"] + rest["data"]] == ["delivery-3", "delivery-2", "delivery-1"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("status:failed", ["delivery-2"]),
        ("status:processed", ["delivery-1"]),
        ("body.amount:>=10", ["delivery-1"]),
        ("-type:push origin:trigger", ["delivery-3"]),
        ("destination:deploy", ["delivery-2", "delivery-1"]),
    ],
)
def test_events_are_found_by_the_search_grammar(admin, query, keys):
    rows = admin.get("/api/v1/events", params={"q": query}).json()["data"]
    assert [row["provider_id"] for row in rows] == keys


@pytest.mark.parametrize("name", ["delivery-2", "latest"])
def test_events_have_several_names(admin, name):
    assert admin.get(f"/api/v1/events/{name}").status_code == 200


def test_one_event_tells_its_whole_story(admin):
    story = admin.get("/api/v1/events/delivery-1").json()
    assert story["body"]["customer"]["email"] == MARKED
    assert ["Content-Type", "application/json"] in story["headers"]
    [delivery] = story["deliveries"]
    assert (delivery["destination"], delivery["state"]) == ("deploy", "succeeded")
    [attempt] = delivery["tries"]
    assert (attempt["number"], attempt["code"], attempt["received"]) == (1, 200, "answer")
    assert admin.get(f"/api/v1/events/{story['id']}/raw").json() == story["body"]


def test_following_lists_what_came_since_the_oldest_first(admin):
    oldest = admin.get("/api/v1/events?limit=3").json()["data"][-1]
    rows = admin.get("/api/v1/events", params={"after": oldest["id"]}).json()["data"]
    assert [row["provider_id"] for row in rows] == ["delivery-2", "delivery-3"]


def rejected(admin):
    """Rejected requests by their reason."""
    return {row["reason"]: row for row in admin.get("/api/v1/requests?q=outcome:rejected").json()["data"]}


def test_rejected_requests_say_why_and_are_judged_again(admin):
    rows = rejected(admin)
    assert (rows["bad signature"]["source"], rows["bad signature"]["status"]) == ("github", 401)
    assert (rows["unknown path"]["source"], rows["unknown path"]["status"]) == (None, 404)
    verdict = admin.post(f"/api/v1/requests/{rows['bad signature']['id']}/reverify", json={}).json()
    assert not verdict["genuine"]
    assert verdict["findings"][0]["cure"]
    assert admin.post(f"/api/v1/requests/{rows['unknown path']['id']}/reverify", json={}).status_code == 409


def test_a_request_that_is_genuine_after_all_becomes_its_event(admin):
    late = rejected(admin)["the secret was another one then"]
    only_judged = admin.post(f"/api/v1/requests/{late['id']}/reverify", json={"dry_run": True}).json()
    assert (only_judged["genuine"], only_judged["events"]) == (True, [])
    kept = admin.post(f"/api/v1/requests/{late['id']}/reverify", json={}).json()
    event = admin.get(f"/api/v1/events/{kept['events'][0]}").json()
    assert (event["provider_id"], event["type"], event["received_at"]) == ("late", "ping", late["received_at"])
    assert admin.post(f"/api/v1/requests/{late['id']}/reverify", json={}).json()["events"] == kept["events"]
    assert admin.post("/api/v1/events/erase", json={"q": f"id:{event['id']}"}).json() == {"count": 1}
    assert admin.get(f"/api/v1/events/{event['id']}").json()["body"] is None


def test_a_replay_has_a_plan_a_job_and_an_end(admin):
    choice = {"q": "status:failed"}
    plan = admin.post("/api/v1/replays/plan", json=choice).json()
    assert (plan["events"], plan["deliveries"], plan["destinations"]) == (1, 1, {"deploy": 1})
    job = admin.post("/api/v1/replays", json=choice)
    assert job.status_code == 201
    ended = admin.post(f"/api/v1/replays/{job.json()['id']}/advance", json={}).json()
    assert (ended["state"], ended["done"], ended["total"]) == ("done", 1, 1)
    assert admin.get("/api/v1/events/delivery-2").json()["status"] == "pending"
    cancelled = admin.post("/api/v1/deliveries/cancel", json={"q": "state:pending"}).json()
    assert cancelled == {"count": 1}


def test_one_event_is_replayed_again_rerouted_or_sent_elsewhere(admin):
    nothing = admin.post("/api/v1/replays/plan", json={"ids": ["delivery-1"]}).json()
    assert (nothing["deliveries"], nothing["left_out"]) == (0, {"succeeded": 1})
    rerouted = admin.post("/api/v1/replays/plan", json={"ids": ["delivery-3"], "reroute": True}).json()
    assert rerouted["deliveries"] == 0, "today's routes do not want it either"
    added = admin.post("/api/v1/replays/plan", json={"ids": ["delivery-3"], "to": "deploy"}).json()
    assert added["destinations"] == {"deploy": 1}
    job = admin.post("/api/v1/events/delivery-1/replay", json={"again": True})
    assert (job.status_code, job.json()["state"], job.json()["done"]) == (201, "done", 1)
    assert admin.get("/api/v1/events/delivery-1").json()["status"] == "pending"
    assert job.json()["id"] in admin.get("/api/v1/replays").text
    assert admin.post(f"/api/v1/replays/{job.json()['id']}/stop", json={}).status_code == 409
    assert admin.post("/api/v1/deliveries/cancel", json={"q": "state:pending"}).json() == {"count": 1}


def test_a_destination_is_tried_out_without_a_trace(admin):
    before = admin.get("/api/v1/stats").json()["attempts"]
    trial = admin.post("/api/v1/destinations/deploy/test", json={}).json()
    assert not trial["ok"], "nobody listens there, and the address guard would not let it out"
    assert trial["reason"]
    assert admin.get("/api/v1/stats").json()["attempts"] == before
    handler = admin.post("/api/v1/destinations/app.paid/test", json={})
    assert handler.status_code == 409
    assert "hookline trigger" in handler.json()["detail"]


def test_health_names_what_is_wrong_and_the_cure(admin):
    health = admin.get("/api/v1/health").json()
    broken = next(check for check in health["checks"] if check["name"] == "source broken")
    assert (health["state"], broken["state"]) == ("problem", "problem")
    assert broken["cure"]


def test_stats_count_a_span(admin):
    stats = admin.get("/api/v1/stats").json()
    assert stats["requests"]["rejected"] >= 2
    assert admin.get("/api/v1/stats?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z").status_code == 400
    long_ago = admin.get("/api/v1/stats?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z").json()
    assert long_ago["requests"] == {}


def test_a_destination_is_held_back_and_let_go(admin):
    paused = admin.post("/api/v1/destinations/deploy/pause", json={"reason": "moving"}).json()
    assert (paused["state"], paused["reason"]) == ("paused", "moving")
    assert admin.post("/api/v1/destinations/deploy/resume", json={}).json()["state"] == "open"
    answer = admin.post("/api/v1/destinations/deplyo/pause", json={})
    assert answer.status_code == 404
    assert "did you mean 'deploy'" in answer.json()["detail"]


def test_sources_say_whether_they_can_be_used(admin):
    rows = {row["name"]: row for row in admin.get("/api/v1/sources").json()["data"]}
    assert rows["github"]["state"] == "ok"
    assert rows["github"]["last_event_at"]
    assert rows["broken"]["state"] == "unusable"
    assert "NOT_SET_ANYWHERE" in rows["broken"]["reason"]
    assert rows["stripe"]["secrets"] == ["env:STRIPE_SECRET"]


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "says"),
    [
        ("GET", "/api/v1/events?limit=0", {}, 400, "limit"),
        ("GET", "/api/v1/events?limit=x", {}, 400, "limit"),
        ("GET", "/api/v1/events?foo=1", {}, 400, "foo"),
        ("GET", "/api/v1/events?q=a&q=b", {}, 400, "twice"),
        ("GET", "/api/v1/events?q=colour:red", {}, 400, "colour"),
        ("GET", "/api/v1/events?cursor=x", {}, 400, "cursor"),
        ("GET", "/api/v1/events?after=x", {}, 404, "evt_"),
        ("GET", "/api/v1/events/evt_0000000000000", {}, 404, "no event"),
        ("GET", "/api/v1/requests/evt_0000000000000", {}, 404, "req_"),
        ("GET", "/api/v1/nothing", {}, 404, "openapi"),
        ("PUT", "/api/v1/events", {}, 405, ""),
        ("POST", "/api/v1/tokens", {"content": b"{"}, 415, "application/json"),
        ("POST", "/api/v1/tokens", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "JSON"),
        ("POST", "/api/v1/tokens", {"json": []}, 400, "object"),
        ("POST", "/api/v1/tokens", {"json": {}}, 400, "name"),
        ("POST", "/api/v1/tokens", {"json": {"name": "x", "role": "god"}}, 400, "role"),
        ("POST", "/api/v1/tokens?name=x", {"json": {}}, 400, "query"),
        ("POST", "/api/v1/replays", {"json": {}}, 400, "say which"),
        ("POST", "/api/v1/replays", {"json": {"q": "type:x", "to": "nowhere"}}, 404, "destination"),
        ("POST", "/api/v1/events/erase", {"json": {"q": " "}}, 400, "query"),
        (
            "POST",
            "/api/v1/sources/github/trigger",
            {"json": {"type": "push", "set": {"a." * 3000 + "b": 1}}},
            422,
            "deep",
        ),
        ("POST", "/api/v1/tokens", {"json": {"name": "x" * 2_000_000}}, 413, ""),
    ],
)
def test_every_mistake_is_a_problem_that_says_what_to_do(admin, method, path, sent, status, says):
    answer = admin.request(method, path, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"]


# -- what it keeps to itself -------------------------------------------------------------------------------------------


def test_marked_fields_are_masked_below_operator(served, viewer):
    story = viewer.get("/api/v1/events/delivery-1")
    assert MARKED not in story.text
    assert story.json()["body"] == {"ref": "refs/heads/main", "amount": 12, "customer": {"email": "***"}}
    assert ["X-Marked", "***"] in story.json()["headers"]
    for path in ("/api/v1/deliveries", "/api/v1/events", "/", "/api/v1/events/delivery-2"):
        assert MARKED not in viewer.get(path).text
    with served.client("operator") as operator:
        assert MARKED in operator.get("/api/v1/events/delivery-1").text


def test_marked_fields_cannot_be_found_out_by_searching(viewer):
    queries = (
        "body.customer.email:m*",
        f'"{MARKED}"',
        "-body.customer.email:a*",
        "header.x-marked:m*",
        "reason:marked",
    )
    for query in queries:
        answer = viewer.get("/api/v1/events", params={"q": query})
        assert answer.status_code == 403


def test_no_secret_is_in_any_answer(served, admin):
    texts = [admin.get(f"/api/v1{row.path}").text for row in OPERATIONS.values() if row.reads and "{" not in row.path]
    texts += [admin.get(path).text for path in ("/api/openapi.json", "/api/docs", "/metrics")]
    texts.append(admin.get("/", headers={"Authorization": f"Bearer {TOKENS['admin']}"}).text)
    for event in admin.get("/api/v1/events").json()["data"]:
        texts.append(admin.get(f"/api/v1/events/{event['id']}").text)
    texts.append(admin.post("/api/v1/destinations/deploy/test", json={}).text)
    for canary in (SECRET, *ENVIRONMENT.values(), *TOKENS.values(), ADMIN_TOKEN):
        assert not any(canary in text for text in texts)


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_document_is_valid_and_covers_every_operation(admin):
    document = admin.get("/api/openapi.json").json()
    validate(document)
    said = {row["operationId"] for methods in document["paths"].values() for row in methods.values()}
    assert said == {*OPERATIONS, "follow_events"}


def test_answers_are_what_the_document_says(admin):
    document = admin.get("/api/openapi.json").json()
    for row in OPERATIONS.values():
        if row.reads and row.name not in ("raw_event",):
            path = row.path.format(id="latest" if row.tag == "events" else "x", name="github")
            answer = admin.get(f"/api/v1{path}")
            if answer.status_code == 200:
                content = document["paths"]["/api/v1" + row.path]["get"]["responses"]["200"]["content"]
                schema = {**content["application/json"]["schema"], "components": document["components"]}
                jsonschema.validate(answer.json(), schema)


# -- the guard ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "a/../x?"])
def test_other_names_are_not_answered(admin, host):
    assert admin.get("/api/v1/events", headers={"Host": host}).status_code in (400, 421)


def test_health_answers_any_name(served):
    with served.client(None) as client:
        assert client.get("/healthz", headers={"Host": "10.1.2.3"}).text == "ok\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_changes_nothing(admin, headers):
    answer = admin.post("/api/v1/tokens", json={"name": "stolen"}, headers=headers)
    assert answer.status_code == 403
    assert "stolen" not in admin.get("/api/v1/tokens").text


@pytest.mark.parametrize("path", ["/", "/api/docs", "/api/v1/events", "/nothing", "/healthz", "/static/style.css"])
def test_every_answer_carries_the_security_headers(admin, path):
    headers = admin.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


# -- pages, metrics, live ----------------------------------------------------------------------------------------------


def test_the_apis_page_lists_every_operation(served):
    with served.client(None) as client:
        page = client.get("/api/docs")
    assert page.status_code == 200
    assert [row.path for row in OPERATIONS.values() if row.path.replace("'", "&#39;") not in page.text] == []


def test_pages_ask_for_a_token_as_password(served):
    with served.client(None) as client:
        answer = client.get("/")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert client.get("/", auth=("me", "nope")).status_code == 401
        assert client.get("/", auth=("me", TOKENS["viewer"])).status_code == 200
        assert client.get("/api/v1/events", auth=("me", TOKENS["admin"])).status_code == 401, "no API by password"


def test_a_password_crosses_no_network_in_plain_text(served):
    with served.client(None) as client:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        assert client.get("/", auth=("me", TOKENS["viewer"]), headers=headers).status_code == 403
        headers["X-Forwarded-Proto"] = "https"
        assert client.get("/", auth=("me", TOKENS["viewer"]), headers=headers).status_code == 200


def test_the_start_page_shows_a_payload_as_text(admin):
    page = admin.get("/").text
    assert "&lt;script&gt;" in page
    for bad in ("<script", "\u202e", "\x1b", " style=", " onclick="):
        assert bad not in page, "no payload is markup, and no script or style stands in the page"
    assert NASTY not in page


def test_metrics_want_a_viewer_and_count_the_queue(served, admin):
    with served.client(None) as client:
        assert client.get("/metrics").status_code == 401
    text = admin.get("/metrics").text
    assert 'hookline_deliveries{destination="deploy",state="cancelled"} 2.0' in text
    assert MARKED not in text


def test_live_events_begin_where_the_reader_was(admin):
    oldest = admin.get("/api/v1/events/delivery-1").json()["id"]
    seen = []
    with admin.stream("GET", "/api/v1/live/events", headers={"Last-Event-ID": oldest}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: "))["provider_id"])
            if len(seen) == 2:
                break
    assert seen == ["delivery-2", "delivery-3"]


def test_a_live_query_that_says_nothing_is_answered_at_once(admin):
    assert admin.get("/api/v1/live/events?q=foo:bar").status_code == 400
