"""The elasticsearch and opensearch triggers against real nodes: values, refusals, faults, counts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import answering, says
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.search_server import ElasticsearchServer, OpensearchServer
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.elasticsearch import connect
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.elasticsearch import SearchAccess
from tidegate.scalers.elasticsearch import Elasticsearch
from tidegate.scalers.opensearch import Opensearch

pytestmark = [pytest.mark.real]

ProxyFor = Callable[[int], Awaitable[Proxy]]
KINDS = {"elasticsearch": (Elasticsearch, ElasticsearchServer), "opensearch": (Opensearch, OpensearchServer)}
WAITING = '{"size": 0,\n "query": {"term": {"state": "waiting"}}}'


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in KINDS],
)
def node(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Any]:
    """Orders, three of which wait; a template that counts by state. One JVM at a time."""
    node = servers.get(KINDS[request.param][1])
    node.call("PUT", "/orders", body={"mappings": {"properties": {"state": {"type": "keyword"}}}})
    node.fill("orders", *({"state": "waiting", "count": n} for n in (1, 2, 4)), {"state": "done"})
    node.keep_template("by-state", '{"size": 0, "query": {"term": {"state": "{{state}}"}}}')
    yield node
    node.close()


def build(node: Any, address: str = "", scheme: str = "http", **more: str) -> SearchAccess:
    kind, name = KINDS[node.server][0], node.server
    texts = {
        "addresses": f"{scheme}://{address or node.address}",
        "username": "u",
        "password": "hunter2-hunter2",
        "index": "orders",
        "valueLocation": "hits.total.value",
        "targetValue": "5",
        **more,
    }
    made = reading.build(kind, Trigger(type=name, metadata=texts), Sources(texts, {}, {}), Scope("s"))
    assert isinstance(made, SearchAccess), made
    return made


async def test_searches_and_templates_give_their_number(node: Any) -> None:
    total = '{"size": 0, "aggs": {"t": {"sum": {"field": "count"}}, "n": {"avg": {"field": "no"}}}}'
    triggers = [
        build(node, query=WAITING),
        build(node, query=WAITING, index="ord*;nothing-*"),
        build(node, query=total, valueLocation="aggregations.t.value"),
        build(node, query=total, valueLocation="aggregations.n.value", ignoreNullValues="true"),
        build(node, query='{"size": 2}', valueLocation="hits.hits.#"),
        build(node, searchTemplateName="by-state", parameters="state: waiting"),
        build(node, searchTemplateName="by-state", parameters="state: done;"),
        build(node, searchTemplateName="by-state"),
    ]
    assert (await one_round(triggers)).values == [3, 3, 7, 0, 2, 3, 1, 0]
    for one in triggers[:1] + triggers[-3:-2]:
        assert (await one_round([one])).values == [3]


async def test_what_is_no_number_is_told_alone(node: Any) -> None:
    average = '{"size": 0, "aggs": {"n": {"avg": {"field": "no"}}}}'
    wanted = {
        build(node, query=WAITING): 3,
        build(node, query=average, valueLocation="aggregations.n.value"): "but got: 'Null'",
        build(node, query=WAITING, valueLocation="hits.nothing"): "but got: 'Null'",
        build(node, query=WAITING, valueLocation="timed_out"): "but got: 'False'",
        build(node, query=WAITING, valueLocation="hits"): "but got: 'JSON'",
        build(node, query=WAITING, index="missing", ignoreNullValues="true"): "404 Not Found; check `index`",
        build(node, query='{"query": {"nonsense": {}}}', ignoreNullValues="true"): "400 Bad Request",
        build(node, searchTemplateName="missing", ignoreNullValues="true"): (
            "404 Not Found; check `searchTemplateName`"
        ),
        build(node, query=WAITING, index="missing-*"): 0,
    }
    for text, value in zip(wanted.values(), (await one_round(list(wanted))).values, strict=True):
        assert text == value or (isinstance(text, str) and text in str(value))


async def test_a_thousand_triggers_are_a_request_for_a_hundred_searches(
    node: Any, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(node.port)
    query = '{"size": 0, "query": {"range": {"count": {"gt": %d}}}}'
    triggers = [
        build(node, proxy.address, query=query % (n % 250), targetValue=str(n + 1)) for n in range(1000)
    ]
    round = await one_round(triggers)
    assert round.values[:5] == [3, 2, 1, 1, 0]
    assert proxy.requests == ["POST /_msearch"] * 3


async def test_a_search_that_spoils_the_batch_is_found_and_kept_apart(node: Any) -> None:
    good, bad = build(node, query=WAITING), build(node, query='{"query": {"match_all": {}}, "size": []}')
    adapter = connect(good.server(), Surroundings())
    searches = [good.search(), bad.search(), build(node, query='{"size": 0}').search()]
    for _ in range(3):
        first, second, third = await adapter.answer(searches)
        assert (first, third) == (3, 4)
        assert "400 Bad Request" in str(second)
    await adapter.close()
    assert adapter.requests <= 4 + 2 + 2  # type: ignore[attr-defined]


async def test_another_node_is_asked_when_one_is_down(node: Any) -> None:
    async with faults.nobody() as bad, answering(says("busy", 503)) as busy:
        addresses = f"http://{bad.address},{busy.origin},http://{node.address}/"
        adapter = connect(build(node, query=WAITING, addresses=addresses).server(), Surroundings())
        for _ in range(3):
            assert await adapter.answer([build(node, query=WAITING).search()]) == [3]
        assert len(busy.requests) == 1
        await adapter.close()


async def test_a_login_that_is_refused_is_denied_and_a_right_one_is_sent(node: Any) -> None:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Basic dTpodW50ZXIyLWh1bnRlcjI=":
            return web.json_response({"error": "hunter2"}, status=401)
        body = node.call("POST", request.path, body=await request.read())
        return web.json_response(json.loads(body))

    async with answering(guarded) as fake:
        address = fake.origin.removeprefix("http://")
        assert (await one_round([build(node, address, query=WAITING)])).values == [3]
        (one,) = (await one_round([build(node, address, query=WAITING, password="wrong")])).readings
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert "hunter2" not in one.failure.message


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_cluster_that_cannot_be_asked_is_named(node: Any, fault: Any) -> None:
    async with fault() as bad:
        server = build(node, bad.address, query=WAITING).server()
        quick = type(server)(server.addresses, server.login, name=server.name, timeout_s=0.3)
        adapter = connect(quick, Surroundings())
        searches = [build(node, query=query).search() for query in (WAITING, '{"size": 0}')]
        with pytest.raises(Unreachable, match=bad.address):
            await adapter.answer(searches)
        try:
            (answer,) = await adapter.answer(searches[:1])
        except Unreachable as error:
            answer = error
        assert isinstance(answer, Unreachable)
        await adapter.close()


async def test_tls_and_names_are_told(node: Any) -> None:
    (said,) = (await one_round([build(node, scheme="https", query=WAITING)])).values
    assert "TLS failed" in said
    (said,) = (await one_round([build(node, f"{faults.NOWHERE}:9200", query=WAITING)])).values
    assert faults.NOWHERE in said
    async with faults.in_tls(node.port) as front:
        (said,) = (await one_round([build(node, front.address, "https", query=WAITING)])).values
        assert "its certificate is not trusted" in said
        lenient = build(node, front.address, "https", query=WAITING, unsafeSsl="true")
        assert (await one_round([lenient])).values == [3]


@pytest.mark.parametrize(
    "body",
    [
        b"<hunter2>",
        b"[]",
        b"{}",
        b'{"responses": [{"hits": {"total": {"value": 1}}}]}',
        b'{"responses": [7, 7]}',
        b'{"responses": [{"timed_out": true, "hits": {"total": {"value": 1}}}, {"_shards": {"failed": 2}}]}',
    ],
)
async def test_an_answer_that_is_not_whole_is_no_number(node: Any, body: bytes) -> None:
    async with faults.answering(body) as bad:
        triggers = [build(node, bad.address, query=query) for query in (WAITING, '{"size": 0}')]
        for said in (await one_round(triggers)).values:
            assert "hunter2" not in str(said)
            assert "cannot" in str(said)


async def test_what_is_cut_or_too_long_is_no_number(node: Any, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(node.port)
    proxy.cut_after = 80
    (said,) = (await one_round([build(node, proxy.address, query=WAITING)])).values
    assert "cannot run the search" in said
    proxy.cut_after, proxy.mode = None, "garble"
    (said,) = (await one_round([build(node, proxy.address, query=WAITING)])).values
    assert "not HTTP" in said
    async with faults.huge(size=34 << 20) as bad:
        (said,) = (await one_round([build(node, bad.address, query=WAITING)])).values
        assert "larger than 32 MiB" in said


async def test_after_a_restart_the_next_search_is_answered(node: Any) -> None:
    adapter = connect(build(node, query=WAITING).server(), Surroundings())
    search = build(node, query=WAITING).search()
    assert await adapter.answer([search]) == [3]
    node.stop()
    node.start()
    assert await adapter.answer([search]) == [3]
    await adapter.close()
