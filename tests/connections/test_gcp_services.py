"""Storage, Spanner and Monitoring by a filter, against fakes written from Google's documentation."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.google_fake import FakeGoogle, error, stamp
from parts.google_services import TOKEN, HeldTokens, SpannerFake, StorageFake
from parts.google_trigger import ACCOUNT, build
from parts.http_server import answering, replying, says
from parts.one_round import one_round
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp import connect
from tidegate.connections.gcp.crc32c import crc32c
from tidegate.kit.fetched import Fetched
from tidegate.kit.question import Question
from tidegate.kit.systems.gcp import GcpServer, Service
from tidegate.kit.systems.gcp_monitoring import FilteredPoint
from tidegate.kit.systems.gcp_secrets import SecretVersion
from tidegate.kit.systems.gcp_spanner import SpannerQuery
from tidegate.kit.systems.gcp_storage import ObjectCount

DATABASE = "projects/p/instances/i/databases/d"
FILTER = 'metric.type="a.b/c"'
WHOLE = f'{FILTER} AND resource.labels.project_id="p"'
KINDS = ("filter", "secret", "spanner", "storage")


def server(service: Service, origin: str) -> GcpServer:
    return GcpServer(service, ACCOUNT, origin)


def objects(origin: str, bucket: str = "b-1", limit: int = 1000, *place: str) -> ObjectCount:
    return ObjectCount(server("storage", origin), bucket, limit, *place)


def query(origin: str, sql: str = "SELECT 7", database: str = DATABASE) -> SpannerQuery:
    return SpannerQuery(server("spanner", origin), database, sql)


def question(kind: str, origin: str) -> Question:
    if kind == "storage":
        return objects(origin)
    if kind == "spanner":
        return query(origin)
    if kind == "secret":
        return secret(origin)
    return FilteredPoint(server("monitoring", origin), "p", FILTER, 120)


WELL = {"secret": Fetched({"value": "7"})}


async def well(kind: str, request: web.Request) -> web.StreamResponse:
    """What each service says when all is well: it comes to 7."""
    if kind == "secret":
        return web.json_response(payload(b"7"))
    if kind == "storage":
        return web.json_response({"kind": "storage#objects", "items": [{"size": "1"}] * 7})
    if kind == "spanner" and request.path.endswith("/sessions"):
        return web.json_response({"name": f"{DATABASE}/sessions/1"})
    if kind == "spanner":
        fields = [{"type": {"code": "INT64"}}]
        return web.json_response({"metadata": {"rowType": {"fields": fields}}, "rows": [["7"]]})
    return web.json_response({"timeSeries": [series(7)]})


def series(*values: float) -> dict[str, Any]:
    return {
        "points": [{"interval": {"endTime": stamp(30)}, "value": {"doubleValue": value}} for value in values]
    }


@asynccontextmanager
async def asking(asked: GcpServer, **around: Any) -> AsyncIterator[Any]:
    fields: dict[str, Any] = {"timeout_s": 10.0, "identities": HeldTokens(), **around}
    adapter: Any = connect(asked, Surroundings(**fields))
    try:
        yield adapter
    finally:
        await adapter.close()
        await adapter.close()


async def outcome(asked: Any, **around: Any) -> Any:
    """The answer, or the error that came instead."""
    async with asking(asked.server, **around) as adapter:
        try:
            (answer,) = await adapter.answer([asked])
        except TidegateError as raised:
            answer = raised
    if isinstance(answer, TidegateError):
        assert TOKEN not in f"{answer} {answer!r} {answer.excerpt}"
    return answer


# --- storage


OBJECTS = {"a": 1, "in/": 0, "in/a": 5, "in/b": 5, "in/old/a": 5, "in/old/b": 5, "other": 7}


@pytest.mark.parametrize(
    ("place", "limit", "expected"),
    [
        ((), 1000, 6),
        (("in/",), 1000, 4),
        (("in/", "/"), 1000, 2),
        (("", "/"), 1000, 2),
        (("nowhere/",), 1000, 0),
        ((), 3, 3),
        (("in",), 4, 4),
    ],
)
@pytest.mark.parametrize("most", [1000, 1])
async def test_objects_with_bytes_are_counted_up_to_the_limit(
    place: tuple[str, ...], limit: int, expected: int, most: int
) -> None:
    storage = StorageFake({"b-1": OBJECTS}, most)
    async with answering(storage.answer) as fake:
        assert await outcome(objects(fake.origin, "b-1", limit, *place)) == expected


async def test_a_listing_ends_where_enough_is_counted_and_serves_all_limits() -> None:
    storage = StorageFake({"b-1": {f"o{number:05}": 1 for number in range(10_000)}})
    async with answering(storage.answer) as fake:
        asked = [objects(fake.origin, "b-1", limit) for limit in (5, 2500, 100)]
        async with asking(asked[0].server) as adapter:
            assert await adapter.answer(asked) == [5, 2500, 100]
        assert len(fake.requests) == 3


async def test_a_bucket_of_folders_without_end_is_told() -> None:
    storage = StorageFake({"b-1": {f"o{number:03}": 0 for number in range(200)} | {"a": 1, "b": 1}}, 1)
    async with answering(storage.answer) as fake:
        async with asking(server("storage", fake.origin)) as adapter:
            few, many = await adapter.answer([objects(fake.origin, "b-1", n) for n in (2, 3)])
        assert few == 2, "what was found is enough for this one"
        assert isinstance(many, Malformed)
        assert "its first 51 pages hold only 2 objects" in str(many)


async def test_a_bucket_that_is_not_there_is_a_failure_of_its_own() -> None:
    storage = StorageFake({"b-1": OBJECTS})
    async with answering(storage.answer) as fake, asking(server("storage", fake.origin)) as adapter:
        missing, there = await adapter.answer([objects(fake.origin, "b-2"), objects(fake.origin)])
    assert there == 6
    assert isinstance(missing, Misconfigured)
    assert "cannot list bucket b-2" in str(missing)
    assert "404 Not Found (NOT_FOUND); check the name of the bucket" in str(missing)


# --- spanner


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("INT64", [["7"]], 7),
        ("INT64", [["-7"], ["8"]], -7),
        ("INT64", [["9223372036854775807", "x"]], 2**63 - 1),
        ("INT64", [], None),
        ("FLOAT64", [], None),
        ("INT64", [[None]], "reading first column as INT64: it is NULL"),
        ("FLOAT64", [[7.5]], "reading first column as INT64: it is of type FLOAT64"),
        ("NUMERIC", [["7"]], "it is of type NUMERIC"),
        ("STRING", [["7"]], "it is of type STRING"),
        ("INT64", [["seven"]], "it is no number"),
        ("INT64", [[7]], "it is no number"),
        ("INT64", [[]], "it is NULL"),
    ],
)
async def test_a_whole_number_counts_and_nothing_else(kind: str, rows: list[Any], expected: Any) -> None:
    async with answering(SpannerFake(results={"SELECT 7": (kind, rows)}).answer) as fake:
        found = await outcome(query(fake.origin))
    if isinstance(expected, str):
        assert isinstance(found, Malformed)
        assert expected in str(found)
    else:
        assert found == expected


async def test_queries_of_a_database_share_a_session_which_is_kept_and_replaced() -> None:
    other = "projects/p/instances/i/databases/e"
    results = {f"SELECT {number}": ("INT64", [[str(number)]]) for number in range(20)}
    spanner = SpannerFake((DATABASE, other), results)
    async with answering(spanner.answer) as fake:
        asked = [query(fake.origin, sql, database) for sql in results for database in (DATABASE, other)]
        async with asking(asked[0].server) as adapter:
            for _ in range(2):
                assert await adapter.answer(asked) == [number // 2 for number in range(40)]
            assert spanner.opened == 2
            spanner.sessions.clear()
            assert await adapter.answer(asked) == [number // 2 for number in range(40)]
            assert spanner.opened == 4


async def test_a_bad_query_and_a_missing_database_fail_alone() -> None:
    spanner = SpannerFake(results={"SELECT 7": ("INT64", [["7"]])})
    async with answering(spanner.answer) as fake, asking(server("spanner", fake.origin)) as adapter:
        asked = [
            query(fake.origin, "SELEKT 'hunter2'"),
            query(fake.origin),
            query(fake.origin, database="projects/p/instances/i/databases/nowhere"),
        ]
        for _ in range(2):
            bad, good, missing = await adapter.answer(asked)
            assert good == 7
            assert isinstance(bad, Misconfigured)
            assert "400 Bad Request (INVALID_ARGUMENT)" in str(bad)
            assert "hunter2" not in str(bad)
            assert isinstance(missing, Misconfigured)
            assert "check the names of project, instance and database" in str(missing)
    assert spanner.opened == 1


# --- secret manager


def secret(origin: str, name: str = "db", version: str = "latest", project: str = "p") -> SecretVersion:
    return SecretVersion(server("secretmanager", origin), project, name, version)


def payload(content: bytes, checksum: object = "right") -> dict[str, Any]:
    told: dict[str, Any] = {"data": base64.b64encode(content).decode()}
    if checksum == "right":
        told["dataCrc32c"] = str(crc32c(content))
    elif checksum is not None:
        told["dataCrc32c"] = checksum
    return {"name": "projects/1/secrets/db/versions/3", "payload": told}


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"") == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (payload(b"s3cret"), Fetched({"value": "s3cret"})),
        (payload("sécret\n".encode()), Fetched({"value": "sécret\n"})),
        (payload(b"s3cret", None), Fetched({"value": "s3cret"})),
        (payload(b"s3cret", crc32c(b"s3cret")), Fetched({"value": "s3cret"})),
        (payload(b"s3cret", "1"), "does not have the checksum"),
        (payload(b"\xff\xfe"), Fetched({}, other_keys=frozenset({"value"}))),
        ({"payload": {}}, Fetched({"value": ""})),
        ({}, "holds no payload"),
        ({"payload": {"data": "%%%"}}, "holds no payload"),
        ({"payload": {"data": 7}}, "holds no payload"),
        ({"payload": []}, "holds no payload"),
    ],
)
async def test_a_secret_is_its_text_if_it_has_its_checksum(body: Any, expected: Any) -> None:
    async with answering(says(body)) as fake:
        found = await outcome(secret(fake.origin, "d b", "3"))
        assert fake.paths() == ["/v1/projects/p/secrets/d%20b/versions/3:access"]
    if isinstance(expected, str):
        assert isinstance(found, Malformed)
        assert expected in str(found)
    else:
        assert found == expected
        assert found.other_keys == expected.other_keys
        assert found.life_s is None


async def test_a_secret_that_may_not_be_read_or_is_not_there_fails_alone() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "denied" in request.path:
            return error(403, "PERMISSION_DENIED", "hunter2")
        if "missing" in request.path:
            return error(404, "NOT_FOUND", "hunter2")
        return web.json_response(payload(b"s3cret"))

    async with answering(answer) as fake, asking(server("secretmanager", fake.origin)) as adapter:
        asked = [secret(fake.origin, name) for name in ("denied", "missing", "db", "db")]
        denied, missing, *found = await adapter.answer(asked)
        assert len(fake.requests) == 3
    assert found == [Fetched({"value": "s3cret"})] * 2
    assert isinstance(denied, Denied)
    assert "role Secret Manager Secret Accessor" in str(denied)
    assert isinstance(missing, Misconfigured)
    assert "cannot read version latest of secret missing" in str(missing)
    assert "hunter2" not in f"{denied} {missing} {denied.excerpt} {missing.excerpt}"


# --- monitoring by a filter


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([{"timeSeries": [series(3.5, 2), series(9)]}], 3.5),
        ([{"timeSeries": [series(), series(9)]}], 9),
        ([{}, {"timeSeries": [series(4)]}], 4),
        ([{}], None),
        ([{"timeSeries": [series()]}], None),
        ([{"executionErrors": [{}]}], "the list is incomplete"),
        ([{}] * 11, "its first 10 pages hold no point"),
        ([{"timeSeries": [{"points": [{"value": {"boolValue": True}}]}]}], "no number but boolValue"),
        ([{"timeSeries": "many"}], "of another shape"),
    ],
)
async def test_the_newest_point_of_the_first_series_counts(pages: list[Any], expected: Any) -> None:
    cloud = FakeGoogle(filtered={WHOLE: pages}, allowed=("p",), tokens=[TOKEN])
    async with answering(cloud.answer) as fake:
        found = await outcome(question("filter", fake.origin))
    if isinstance(expected, str):
        assert expected in str(found)
        assert isinstance(found, TidegateError)
    else:
        assert found == expected


async def test_an_alignment_goes_with_the_filter() -> None:
    cloud = FakeGoogle(filtered={WHOLE: [{"timeSeries": [series(4)]}]}, allowed=("p",), tokens=[TOKEN])
    async with answering(cloud.answer) as fake:
        asked = server("monitoring", fake.origin)
        assert await outcome(FilteredPoint(asked, "p", FILTER, 300, 60, "ALIGN_RATE", "REDUCE_SUM")) == 4
        (request,) = fake.requests
        sent = request.query
        assert sent["aggregation.alignmentPeriod"] == "60s"
        assert sent["aggregation.perSeriesAligner"] == "ALIGN_RATE"
        assert sent["aggregation.crossSeriesReducer"] == "REDUCE_SUM"
        assert sent["pageSize"] == "1"


async def test_a_filter_that_cannot_be_read_fails_alone() -> None:
    cloud = FakeGoogle(filtered={WHOLE: [{"timeSeries": [series(4)]}]}, allowed=("p",), tokens=[TOKEN])
    async with answering(cloud.answer) as fake, asking(server("monitoring", fake.origin)) as adapter:
        bad = FilteredPoint(server("monitoring", fake.origin), "p", "metric.hunter2", 120)
        refused, good = await adapter.answer([bad, question("filter", fake.origin)])
    assert good == 4
    assert isinstance(refused, Misconfigured)
    assert "400 Bad Request (INVALID_ARGUMENT)" in str(refused)


# --- faults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_service_is_unreachable_as_a_whole(kind: str, fault: Any) -> None:
    async with fault() as bad:
        found = await outcome(question(kind, f"http://{bad.address}"), timeout_s=0.5)
    assert isinstance(found, Unreachable)
    assert bad.address in str(found)


@pytest.mark.parametrize("kind", KINDS)
async def test_names_that_do_not_resolve_and_tls_to_a_plain_port_are_told(kind: str) -> None:
    found = await outcome(question(kind, f"http://{faults.NOWHERE}"))
    assert "does not resolve" in str(found)
    async with answering(says({})) as fake:
        found = await outcome(question(kind, fake.origin.replace("http:", "https:")))
    assert isinstance(found, Unreachable)
    assert "TLS failed" in str(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_a_refusal_is_told_and_its_text_stays_where_it_is(kind: str, status: int) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return error(status, "WORD", f"never shown {request.headers['Authorization']}")

    async with answering(refuse) as fake:
        found = await outcome(question(kind, fake.origin))
    kinds = {400: Misconfigured, 401: Denied, 403: Denied, 404: Misconfigured}
    assert isinstance(found, kinds.get(status, Unreachable))
    assert f"{status} " in str(found)
    assert "never shown" not in str(found)


STRANGE: tuple[Any, ...] = (
    "<html>Sign in</html>",
    "",
    "{",
    "null",
    "[]",
    "7",
    {"hello": "w"},
    {"items": 1, "rows": 1, "timeSeries": 1},
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", STRANGE, ids=range(len(STRANGE)))
async def test_an_answer_of_another_kind_is_no_number(kind: str, body: Any) -> None:
    async with answering(says(body)) as fake:
        found = await outcome(question(kind, fake.origin))
    if (kind, body) == ("filter", {"hello": "w"}):
        # Google leaves out of its JSON what is empty: no series.
        assert found is None
    else:
        assert isinstance(found, Malformed)


@pytest.mark.parametrize("kind", KINDS)
async def test_half_an_answer_and_ten_megabytes_are_failures(kind: str) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
    async with replying(half) as origin:
        assert isinstance(await outcome(question(kind, origin)), TidegateError)
    async with faults.huge(b'{"timeSeries": ["', b'"]}') as bad:
        assert "larger than" in str(await outcome(question(kind, f"http://{bad.address}")))


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_restart_the_next_question_is_answered(kind: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await well(kind, request)

    async with answering(answer) as first:
        asked, port = question(kind, first.origin), first.port
        adapter: Any = connect(asked.server, Surroundings(timeout_s=10.0, identities=HeldTokens()))  # type: ignore[arg-type]
        assert await adapter.answer([asked]) == [WELL.get(kind, 7)]
    with pytest.raises(Unreachable):
        await adapter.answer([asked])
    async with answering(answer, port=port):
        assert await adapter.answer([asked]) == [WELL.get(kind, 7)]
    await adapter.close()


# --- what it costs


METADATA: dict[str, dict[str, str]] = {
    "gcp-storage": {"bucketName": "b-1", "storageEndpoint": "{origin}"},
    "gcp-spanner": {
        "projectId": "p",
        "instanceId": "i",
        "databaseId": "d",
        "query": "SELECT 7",
        "spannerEndpoint": "{origin}",
    },
    "gcp-stackdriver": {"projectId": "p", "filter": FILTER, "monitoringEndpoint": "{origin}"},
}
OWN = {"gcp-storage": "blobPrefix", "gcp-spanner": "query", "gcp-stackdriver": "filter"}
TARGETS = {"gcp-storage": "targetObjectCount", "gcp-spanner": "targetValue", "gcp-stackdriver": "targetValue"}
FAKES = {"gcp-storage": "storage", "gcp-spanner": "spanner", "gcp-stackdriver": "filter"}


@pytest.mark.parametrize("kind", list(METADATA))
async def test_a_thousand_triggers_ask_each_different_thing_once(kind: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await well(FAKES[kind], request)

    async with answering(answer) as fake:
        triggers = []
        for number in range(1000):
            texts = {key: text.replace("{origin}", fake.origin) for key, text in METADATA[kind].items()}
            own = {OWN[kind]: f"x{number % 20}", TARGETS[kind]: str(number + 1)}
            triggers.append(build(kind, {**texts, **own}))
        round = await one_round(triggers, identities=HeldTokens())
        assert round.values == [7] * 1000
        assert len(fake.requests) == 20 + (kind == "gcp-spanner")
        assert fake.most <= 16


async def test_a_thousand_queues_are_a_few_calls() -> None:
    depth = "cloudtasks.googleapis.com/queue/depth"
    points = {("p", depth, f"queue-{n:03}"): [(30, {"int64Value": str(n)})] for n in range(1000)}
    cloud = FakeGoogle(points=points, allowed=("p",), tokens=[TOKEN])
    async with answering(cloud.answer) as fake:
        texts = {"projectID": "p", "monitoringEndpoint": fake.origin}
        triggers = [
            build("gcp-cloudtasks", {**texts, "queueName": f"queue-{n:03}", "filterDuration": str(1 + n % 5)})
            for n in range(1000)
        ]
        assert (await one_round(triggers, identities=HeldTokens())).values == list(range(1000))
        assert len(fake.requests) == 9
