"""The client against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing

import pytest
import trustme
from aiohttp import web

from parts.tinyapi import TinyApi, serving, status
from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.kube.client import Client
from tidegate.kube.config import Config
from tidegate.kube.resource import JOBS, PODS, ApiError
from tidegate.runtime.clock import SystemClock


class Patient(SystemClock):
    """Sleeps for no time, and keeps for how long it was to."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


POD = "/api/v1/namespaces/default/pods"


async def test_a_get_returns_the_object(api, client):
    api.put(f"{POD}/web", spec={"x": 1})
    assert (await client.get(PODS, "default", "web"))["spec"] == {"x": 1}


async def test_what_is_not_there_is_an_error_with_the_servers_reason_and_details(client):
    with pytest.raises(ApiError, match='pods "web" not found') as caught:
        await client.get(PODS, "default", "web")
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")
    assert caught.value.details == {"kind": "pods"}


async def test_a_long_list_is_fetched_in_pages_and_arrives_whole_and_once(api, client):
    for n in range(1_201):
        api.put(f"{POD}/web{n:04}")
    listing = await client.list(PODS, "default")
    assert [item["metadata"]["name"] for item in listing.items] == [f"web{n:04}" for n in range(1_201)]
    assert listing.resource_version == "1201"
    assert [query["limit"] for _, _, query, _ in api.requests] == ["500"] * 3


async def test_items_of_a_list_know_their_kind_as_single_objects_do(api, client):
    api.put(f"{POD}/web")
    item = (await client.list(PODS)).items[0]
    assert (item["apiVersion"], item["kind"]) == ("v1", "Pod")


async def test_selectors_reach_the_server(api, client):
    await client.list(PODS, labels="app in (a,b)", fields="status.phase!=Running")
    query = api.requests[0][2]
    assert query["labelSelector"] == "app in (a,b)"
    assert query["fieldSelector"] == "status.phase!=Running"


async def test_writes_say_who_writes_and_what(api, client):
    created = await client.create(PODS, "default", {"metadata": {"name": "web"}, "spec": {"x": 1}})
    replaced = await client.replace(PODS, "default", "web", {**created, "spec": {"x": 2}})
    patched = await client.patch(PODS, "default", "web", {"spec": {"x": 3}})
    assert [one["spec"]["x"] for one in (created, replaced, patched)] == [1, 2, 3]
    assert {query["fieldManager"] for _, _, query, _ in api.requests} == {"tidegate"}
    kinds = [headers["Content-Type"] for headers in api.headers]
    assert kinds == ["application/json", "application/json", "application/merge-patch+json"]


async def test_a_stale_write_is_a_conflict_and_a_taken_name_already_exists(api, client):
    api.put(f"{POD}/web")
    with pytest.raises(ApiError) as stale:
        await client.patch(PODS, "default", "web", {"metadata": {"resourceVersion": "999"}})
    with pytest.raises(ApiError) as taken:
        await client.create(PODS, "default", {"metadata": {"name": "web"}})
    assert [stale.value.reason, taken.value.reason] == ["Conflict", "AlreadyExists"]


async def test_a_delete_carries_its_options(api, client):
    api.put(f"{POD}/web")
    await client.delete(PODS, "default", "web", propagation="Foreground", grace_s=0, uid="u1")
    body = api.requests[0][3]
    assert body["propagationPolicy"] == "Foreground"
    assert body["gracePeriodSeconds"] == 0
    assert body["preconditions"] == {"uid": "u1"}
    assert api.objects == {}


async def test_a_subresource_is_its_own_path(api, client):
    api.objects[f"{POD}/web/scale"] = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}
    assert (await client.get(PODS, "default", "web", subresource="scale"))["spec"]["replicas"] == 3


async def test_one_connection_serves_calls_that_follow_each_other(api, client):
    peers = set()

    async def look(request):
        peers.add(request.transport.get_extra_info("peername"))

    api.refuse = look
    for _ in range(5):
        await client.list(PODS)
    assert len(peers) == 1


async def test_warnings_of_the_server_are_handed_on(api):
    async def warn(request):
        return web.json_response({}, headers={"Warning": '299 - "unknown field \\"spec.x\\""'})

    api.refuse = warn
    heard: list[str] = []
    client = Client(Config(api.url), on_warning=heard.append)
    await client.create(PODS, "default", {})
    await client.close()
    assert heard == ['unknown field "spec.x"']


@pytest.mark.parametrize(
    ("code", "body", "reason", "message"),
    [
        (403, status(403, "Forbidden", "no"), "Forbidden", "no"),
        (502, "<html>Bad gateway</html>", "Unknown", "<html>Bad gateway</html>"),
        (500, "", "InternalError", "HTTP status 500"),
        (422, status(422, "Invalid", "spec: wrong"), "Invalid", "spec: wrong"),
    ],
)
async def test_every_refusal_becomes_an_error_with_a_reason(api, client, code, body, reason, message):
    async def refuse(request):
        if isinstance(body, str):
            return web.Response(status=code, text=body)
        return web.json_response(body, status=code)

    api.refuse = refuse
    with pytest.raises(ApiError) as caught:
        await client.list(PODS)
    assert (caught.value.code, caught.value.reason, caught.value.message) == (code, reason, message)


@pytest.mark.parametrize("text", ["not json", "[]", '{"items": []}'])
async def test_a_reply_that_is_no_list_is_an_error_and_not_an_empty_list(api, client, text):
    async def refuse(request):
        return web.Response(text=text)

    api.refuse = refuse
    with pytest.raises(ApiError, match="is not a list"):
        await client.list(PODS)


async def test_too_many_requests_are_repeated_as_the_server_asks_and_not_forever(api, client):
    async def busy(request):
        return web.json_response(
            status(429, "TooManyRequests", "later"), status=429, headers={"Retry-After": "0"}
        )

    api.refuse = busy
    with pytest.raises(ApiError, match="later"):
        await client.list(PODS)
    assert len(api.requests) == 10


async def test_a_server_that_asks_for_patience_gets_as_much_as_it_asks_for(api):
    clock = Patient()
    client = Client(Config(api.url), clock=clock)
    answers = iter(["7", "30", "86400"])

    async def busy(request):
        wait = next(answers, None)
        if wait is None:
            return None
        body = status(429, "TooManyRequests", "later")
        return web.json_response(body, status=429, headers={"Retry-After": wait})

    api.refuse = busy
    await client.create(PODS, "default", {"metadata": {"name": "web"}})
    await client.close()
    assert clock.slept == [7.0, 30.0, 60.0]
    assert [method for method, *_ in api.requests] == ["POST"] * 4


async def test_when_no_server_answers_the_error_says_which_one_and_what_to_do(api):
    client = Client(Config("http://127.0.0.1:1"))
    with pytest.raises(Unreachable) as caught:
        await client.list(JOBS, "default")
    await client.close()
    text = str(caught.value)
    assert "GET /apis/batch/v1/namespaces/default/jobs on http://127.0.0.1:1" in text
    assert "check that the API server runs" in text


async def test_a_server_that_hangs_up_in_the_middle_is_unreachable(api, client):
    async def hang_up(request):
        request.transport.abort()
        await asyncio.sleep(0)

    api.refuse = hang_up
    with pytest.raises(Unreachable):
        await client.create(PODS, "default", {})


async def test_closing_is_safe_when_never_used_and_safe_twice():
    client = Client(Config("http://127.0.0.1:1"))
    await client.close()
    await client.close()


# --- watching


async def _collect(client, count, **options):
    found = []
    async with aclosing(client.watch(PODS, "default", **options)) as events:
        async for event in events:
            found.append((event.type, event.object["metadata"]["name"]))
            if len(found) == count:
                break
    return found


async def test_a_watch_tells_what_happens_after_its_version(api, client):
    api.put(f"{POD}/old")
    version = str(api.version)
    api.put(f"{POD}/web")
    api.put(f"{POD}/web", spec={})
    api.drop(f"{POD}/web")
    found = await _collect(client, 3, resource_version=version)
    assert found == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]


async def test_a_version_that_is_too_old_is_expired(api, client):
    api.put(f"{POD}/web")
    api.forget_history()
    with pytest.raises(ApiError) as caught:
        await _collect(client, 1, resource_version="0")
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


@pytest.mark.parametrize("line", [b"nonsense", b'{"type": "ADDED"}', b'{"object": {}}'])
async def test_a_line_that_is_no_event_ends_the_watch_with_an_error(api, client, line):
    api.extra_lines.append(line)
    with pytest.raises(ApiError, match="is not an event"):
        await _collect(client, 1)


async def test_a_watch_that_is_broken_off_is_unreachable_or_ends(api, client):
    task = asyncio.create_task(_collect(client, 1))
    await asyncio.sleep(0.02)
    api.end_watches()
    assert await task == []


# --- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
async def tls_api(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    api = TinyApi()
    async with serving(api, tls=context):
        yield api


async def _list_with(config: Config) -> None:
    client = Client(config)
    try:
        await client.list(PODS)
    finally:
        await client.close()


async def test_the_servers_certificate_is_checked_against_the_kubeconfigs_authority(tls_api, authority):
    await _list_with(Config(tls_api.url, authority=authority.cert_pem.bytes()))
    stranger = trustme.CA().cert_pem.bytes()
    with pytest.raises(Unreachable, match="certificate-authority"):
        await _list_with(Config(tls_api.url, authority=stranger))
    assert len(tls_api.requests) == 1


async def test_an_insecure_kubeconfig_takes_any_certificate(tls_api):
    await _list_with(Config(tls_api.url, is_insecure=True))
    assert len(tls_api.requests) == 1


async def test_a_client_certificate_reaches_the_server(tls_api, authority):
    names = []

    async def look(request):
        peer = request.transport.get_extra_info("peercert") or {}
        names.extend(value for kind, value in peer.get("subjectAltName", ()))

    tls_api.refuse = look
    pair = authority.issue_cert("someone@example.org")
    certificate = b"".join(pem.bytes() for pem in pair.cert_chain_pems)
    key = pair.private_key_pem.bytes()
    config = Config(tls_api.url, authority=authority.cert_pem.bytes(), certificate=certificate, key=key)
    await _list_with(config)
    assert names == ["someone@example.org"]


async def test_a_broken_certificate_is_named_before_anything_is_sent(tls_api):
    with pytest.raises(Misconfigured, match="repair the certificates"):
        await _list_with(Config(tls_api.url, authority=b"-----BEGIN NONSENSE-----"))


async def test_a_client_that_may_not_write_reads_and_sends_nothing_that_changes_anything(api):
    refused = Unreachable("keep the lease", answer="it is another's")

    def refuse() -> None:
        raise refused

    client = Client(Config(api.url), may_write=refuse)
    api.put(f"{POD}/web")
    assert (await client.get(PODS, "default", "web"))["metadata"]["name"] == "web"
    for write in (
        client.create(PODS, "default", {"metadata": {"name": "new"}}),
        client.patch(PODS, "default", "web", {}),
        client.delete(PODS, "default", "web"),
    ):
        with pytest.raises(Unreachable, match="another's"):
            await write
    await client.close()
    assert [method for method, *_ in api.requests] == ["GET"]


async def test_a_write_is_not_sent_when_the_right_to_it_was_lost_while_it_waited_for_a_connection(api):
    """As after a pause of the process between the decision and the connection."""
    asked = []

    def once() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise Unreachable("keep the lease", answer="it is another's")

    client = Client(Config(api.url), may_write=once)
    with pytest.raises(Unreachable):
        await client.create(PODS, "default", {"metadata": {"name": "new"}})
    await client.close()
    assert len(asked) == 2
    assert (api.requests, api.objects) == ([], {})
