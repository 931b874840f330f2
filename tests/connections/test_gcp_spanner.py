"""Cloud Spanner against Google's own for tests: values, refusals, a restart, and what a round costs."""

from __future__ import annotations

from typing import Any

import pytest

from parts.google_services import HeldTokens
from parts.google_trigger import build
from parts.one_round import one_round
from parts.server_process import Servers
from parts.spanner_server import SpannerServer
from tidegate.base.errors import Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp import connect
from tidegate.kit.systems.gcp_spanner import SpannerQuery

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("spannertest")]


@pytest.fixture(scope="module")
def spanner(servers: Servers) -> SpannerServer:
    server: SpannerServer = servers.get(SpannerServer)
    server.make("Orders", "Id INT64 NOT NULL, Status STRING(20), Weight FLOAT64")
    rows: list[list[Any]] = [["1", "new", 1.5], ["2", "new", 2.5], ["3", "old", None]]
    server.insert("Orders", ["Id", "Status", "Weight"], *rows)
    return server


def trigger(server: SpannerServer, sql: str, **metadata: str) -> Any:
    texts = {"projectId": "p", "instanceId": "i", "databaseId": server.token, "query": sql}
    built = build("gcp-spanner", {**texts, "spannerEndpoint": server.origin, **metadata})
    assert not isinstance(built, tuple), built
    return built


async def value(server: SpannerServer, sql: str) -> Any:
    return (await one_round([trigger(server, sql)], identities=HeldTokens())).values[0]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT COUNT(*) FROM Orders WHERE Status = 'new'", 2),
        ("SELECT Id FROM Orders WHERE Status = 'old'", 3),
        ("SELECT Id, Status FROM Orders ORDER BY Id DESC", 3),
        ("SELECT Id FROM Orders WHERE Status = 'lost'", 0),
        ("SELECT -7", -7),
        ("SELECT SUM(Id) FROM Orders WHERE Id > 10", "reading first column as INT64: it is NULL"),
        ("SELECT AVG(Id) FROM Orders", "it is of type FLOAT64"),
        ("SELECT Status FROM Orders", "it is of type STRING"),
        ("SELEKT", "400 Bad Request (INVALID_ARGUMENT)"),
    ],
)
async def test_a_query_has_a_value_or_says_why_not(spanner: SpannerServer, sql: str, expected: Any) -> None:
    found = await value(spanner, sql)
    if isinstance(expected, str):
        assert expected in found
    else:
        assert found == expected


async def test_what_changes_is_seen_at_the_next_question(spanner: SpannerServer) -> None:
    spanner.make("Jobs", "Id INT64 NOT NULL")
    for number in range(3):
        assert await value(spanner, "SELECT COUNT(*) FROM Jobs") == number
        spanner.insert("Jobs", ["Id"], [str(number)])


async def test_a_thousand_triggers_share_a_session_and_each_query_is_run_once(spanner: SpannerServer) -> None:
    sqls = [f"SELECT COUNT(*) FROM Orders WHERE Id < {number}" for number in range(20)]
    triggers = [trigger(spanner, sqls[n % 20], targetValue=str(n + 1)) for n in range(1000)]
    round = await one_round(triggers, identities=HeldTokens())
    assert round.values == [min(max(n % 20 - 1, 0), 3) for n in range(1000)]
    assert sum(round.requests.values()) == 21


async def test_after_a_restart_the_next_question_is_answered() -> None:
    with SpannerServer() as own:
        asked = SpannerQuery(trigger(own, "SELECT 7").server(), own.database, "SELECT 7")
        around: Any = {"timeout_s": 10.0, "identities": HeldTokens()}
        adapter: Any = connect(asked.server, Surroundings(**around))
        assert await adapter.answer([asked]) == [7]
        own.kill()
        with pytest.raises(Unreachable):
            await adapter.answer([asked])
        own.start()
        assert await adapter.answer([asked]) == [7]
        await adapter.close()
