"""The solr trigger against a real Solr: counts, logins, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from parts.http_trigger import asking, build
from parts.one_round import one_round
from parts.server_process import Servers
from parts.solr_server import LOGIN, PASSWORD, SolrProcess
from tidegate.base.errors import Unreachable

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("solr")]


@pytest.fixture(scope="module")
def solr(servers: Servers) -> SolrProcess:
    server = servers.get(SolrProcess)
    server.fill(*({"id": str(n), "state": "waiting" if n % 3 else "a b"} for n in range(30)))
    return server


def trigger(address: str, query: str, **texts: str) -> Any:
    metadata = {"host": f"http://{address}", "collection": "orders", "targetQueryValue": "5", **texts}
    return build("solr", {**metadata, "query": query}, {"username": LOGIN, "password": PASSWORD})


async def test_documents_are_counted(solr: SolrProcess) -> None:
    wanted = {"state:waiting": 20, 'state:"a b"': 10, "state:none": 0, "id:[* TO *] AND state:waiting": 20}
    round = await one_round([trigger(solr.address, query) for query in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_what_cannot_be_asked_is_told(solr: SolrProcess) -> None:
    bad = [trigger(solr.address, "nofield:hunter2"), trigger(solr.address, "*:*", collection="nowhere")]
    *told, value = (await one_round([*bad, trigger(solr.address, "state:waiting")])).values
    assert value == 20
    assert "400 Bad Request; check the query" in told[0]
    assert "hunter2" not in told[0]
    assert "404 Not Found" in told[1]


async def test_who_is_not_known_is_denied(solr: SolrProcess) -> None:
    metadata = {"host": f"http://{solr.address}", "collection": "orders", "targetQueryValue": "5"}
    stranger = build("solr", metadata, {"username": LOGIN, "password": "hunter2-wrong"})
    (reading,) = (await one_round([stranger])).readings
    assert reading.failure is not None
    assert reading.failure.kind == "Denied"
    assert "hunter2" not in reading.failure.message


async def test_a_thousand_triggers_ask_each_query_once(solr: SolrProcess) -> None:
    many = [trigger(solr.address, f"id:{n % 50}", targetQueryValue=str(n + 1)) for n in range(1000)]
    round = await one_round(many)
    assert round.values == [1 if n % 50 < 30 else 0 for n in range(1000)]
    assert list(round.requests.values()) == [50]


async def test_a_server_that_hangs_answers_again(solr: SolrProcess) -> None:
    async with asking(1.0) as ask:
        one = trigger(solr.address, "state:waiting")
        assert await ask(one) == 20
        solr.freeze()
        assert isinstance(await ask(one), Unreachable)
        solr.thaw()
        assert await ask(one) == 20
