"""Every adapter of Azure with an identity's token, over TLS: right audience, one token for all, a revoked
one replaced once, and what is told where none is taken.

Services and Entra ID are fakes, written from Microsoft's documentation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from parts.entra_fake import CLIENT, TENANT, Entra, entra
from parts.eventhub_server import eventhub
from parts.http_server import Answer, says
from parts.proxy import Proxy
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.kit.identity import Identity, IdentityToken, ServicePrincipal
from tidegate.kit.picking.gjson import Json
from tidegate.kit.systems.azure import Namespace
from tidegate.kit.systems.azure_devops import AUDIENCE as DEVOPS
from tidegate.kit.systems.azure_eventhub import EventHubServer, HubPositions, Position
from tidegate.kit.systems.azure_eventhub_access import AUDIENCE as EVENT_HUBS
from tidegate.kit.systems.azure_explorer import ExplorerQuery, ExplorerServer
from tidegate.kit.systems.azure_insights import InsightsMetric, InsightsServer
from tidegate.kit.systems.azure_logs import LogQuery, LogsServer
from tidegate.kit.systems.azure_monitor import MetricPoint, MonitorServer
from tidegate.kit.systems.azure_servicebus import AUDIENCE as SERVICE_BUS
from tidegate.kit.systems.azure_servicebus import ActiveMessages, ServiceBusServer
from tidegate.kit.systems.azure_storage import AUDIENCE as STORAGE
from tidegate.kit.systems.azure_storage import BlobCount, QueueMessages, StorageServer
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer
from tidegate.kit.systems.kusto import Table

WORKLOAD = Identity("azure-workload", client_id="")
SCOPE = "https://service.example/.default"
SEVEN = (Table(("long",), ([7],)),)

FRAMES = [
    {"TableKind": "PrimaryResult", "Columns": [{"ColumnType": "long"}], "Rows": [[7]]},
    {"FrameType": "DataSetCompletion", "HasErrors": False},
]
POINT = {"name": {"value": "m"}, "timeseries": [{"data": [{"average": 7}]}]}
QUEUE = """<entry xmlns="http://www.w3.org/2005/Atom"><title>orders</title><content><QueueDescription>
<CountDetails><ActiveMessageCount>7</ActiveMessageCount></CountDetails></QueueDescription></content></entry>"""
BLOBS = (
    "<EnumerationResults><Blobs>"
    + "".join(f"<Blob><Name>b{n}</Name></Blob>" for n in range(7))
    + "</Blobs><NextMarker/></EnumerationResults>"
)


async def messages(request: web.Request) -> web.StreamResponse:
    assert request.headers["x-ms-version"] >= "2017-11-09"
    return web.Response(headers={"x-ms-approximate-messages-count": "7"})


@dataclass(frozen=True)
class Case:
    """`ask` makes the question for a server at an origin, asked with a token."""

    audience: str
    answer: Answer
    ask: Callable[[str, IdentityToken], Any]
    value: Any = 7


def service_bus(origin: str, token: IdentityToken) -> Any:
    port = int(origin.rpartition(":")[2])
    return ActiveMessages(ServiceBusServer(Namespace("127.0.0.1", port), token), "orders")


def devops(origin: str, token: IdentityToken) -> Any:
    server = HttpServer(origin, HttpLogin(token=token))
    return HttpQuestion(HttpRequest(server, "/pools"), Json("count"))


CASES = {
    "queue": Case(
        STORAGE,
        messages,
        lambda origin, token: QueueMessages(StorageServer("queue", "shop", origin, token=token), "orders"),
    ),
    "blob": Case(
        STORAGE,
        says(BLOBS),
        lambda origin, token: BlobCount(StorageServer("blob", "shop", origin, token=token), "orders"),
    ),
    "servicebus": Case(SERVICE_BUS, says(QUEUE), service_bus),
    "pipelines": Case(DEVOPS, says({"count": 7}), devops),
    "monitor": Case(
        SCOPE,
        says({"value": [POINT]}),
        lambda origin, token: MetricPoint(
            MonitorServer(origin, token=token), "/subscriptions/s/x", "a/b", "m", "Average"
        ),
    ),
    "logs": Case(
        SCOPE,
        says({"tables": [{"columns": [{"type": "long"}], "rows": [[7]]}]}),
        lambda origin, token: LogQuery(LogsServer(origin, token=token), "space", "q"),
        SEVEN,
    ),
    "explorer": Case(
        SCOPE,
        says(FRAMES),
        lambda origin, token: ExplorerQuery(ExplorerServer(origin, token=token), "db", "q"),
        SEVEN,
    ),
    "insights": Case(
        SCOPE,
        says({"value": {"start": "", "end": "", "m": {"avg": 7}}}),
        lambda origin, token: InsightsMetric(InsightsServer(origin, token=token), "app", "m", "avg", "PT1H"),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("federated-1")
    return str(path)


class Asker:
    """Asks over kept connections."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._connections = Connections(surroundings)

    async def __call__(self, *questions: Any) -> list[Any]:
        """What each comes to, or the error that all of them met."""
        adapter = self._connections.adapter(questions[0].server).adapter
        try:
            return list(await adapter.answer(questions))
        except TidegateError as error:
            return [error] * len(questions)

    async def close(self) -> None:
        await self._connections.close()


@asynccontextmanager
async def asking(fake: Entra, token_file: str, **environment: str) -> AsyncIterator[Asker]:
    async with fake.logging_in(fake.environment(token_file, **environment), timeout_s=30.0) as around:
        asker = Asker(around)
        try:
            yield asker
        finally:
            await asker.close()


async def test_it_answers_whoever_has_a_token_for_it(case: Case, token_file: str) -> None:
    async with (
        entra() as fake,
        fake.service(case.audience, case.answer) as service,
        asking(fake, token_file) as ask,
    ):
        question = case.ask(service.origin, IdentityToken(WORKLOAD, case.audience))
        for _ in range(10):
            assert await ask(question) == [case.value]
        assert len(fake.forms) == 1


async def test_a_revoked_token_is_replaced_once(case: Case, token_file: str) -> None:
    async with (
        entra() as fake,
        fake.service(case.audience, case.answer) as service,
        asking(fake, token_file) as ask,
    ):
        question = case.ask(service.origin, IdentityToken(WORKLOAD, case.audience))
        assert await ask(question) == [case.value]
        fake.revoke()
        assert await ask(question) == [case.value]
        assert len(fake.issued) == 2


async def test_who_is_not_let_in_is_told_and_no_text_holds_a_token(case: Case, token_file: str) -> None:
    async with (
        entra() as fake,
        fake.service("https://another.example/.default", case.answer) as service,
        asking(fake, token_file) as ask,
    ):
        question = case.ask(service.origin, IdentityToken(WORKLOAD, case.audience))
        for _ in range(5):
            (error,) = await ask(question)
            assert isinstance(error, Denied)
            said = f"{error}{error.excerpt}{question!r}"
            assert not any(token in said for token in (*fake.issued, "federated-1"))
        assert len(fake.issued) == 2


async def test_without_a_token_nobody_is_asked(case: Case, token_file: str) -> None:
    async with (
        entra() as fake,
        fake.service(case.audience, case.answer) as service,
        asking(fake, token_file) as ask,
    ):
        fake.federated = set()
        question = case.ask(service.origin, IdentityToken(WORKLOAD, case.audience))
        (error,) = await ask(question)
        assert isinstance(error, Denied)
        assert "AADSTS700213" in error.answer
        assert service.requests == []


async def test_an_entra_id_that_is_not_there_is_named(case: Case, token_file: str) -> None:
    async with entra() as fake, fake.service(case.audience, case.answer) as service:
        environment = {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:1"}
        async with asking(fake, token_file, **environment) as ask:
            (error,) = await ask(case.ask(service.origin, IdentityToken(WORKLOAD, case.audience)))
            assert isinstance(error, Unreachable)
            assert "Entra ID https://127.0.0.1:1" in str(error)


async def test_a_thousand_triggers_of_many_accounts_make_one_token_request(token_file: str) -> None:
    async with (
        entra() as fake,
        fake.service(STORAGE, messages) as service,
        asking(fake, token_file) as ask,
    ):
        servers = [
            StorageServer("queue", f"shop{n}", service.origin, token=IdentityToken(WORKLOAD, STORAGE))
            for n in range(20)
        ]
        asked = [ask(*(QueueMessages(one, f"orders{n}") for n in range(50))) for one in servers]
        assert [answer for some in await asyncio.gather(*asked) for answer in some] == [7] * 1000
        assert len(fake.forms) == 1


# --- Event Hubs: the token goes through AMQP


@asynccontextmanager
async def hub_in_tls(fake: Entra) -> AsyncIterator[tuple[Any, EventHubServer]]:
    """An event hub that takes tokens of `fake` for its audience."""
    with eventhub(takes=lambda text: fake.takes(text, EVENT_HUBS)) as own:
        async with Proxy(own.port, fake.tls()).running() as front:
            token = IdentityToken(WORKLOAD, EVENT_HUBS)
            yield own, EventHubServer(Namespace("127.0.0.1", front.port), token)


async def test_an_event_hub_takes_the_token_and_a_revoked_one_is_replaced(token_file: str) -> None:
    async with entra() as fake, hub_in_tls(fake) as (own, server), asking(fake, token_file) as ask:
        own.put(0, 3)
        for _ in range(3):
            (found,) = await ask(HubPositions(server, "clicks"))
            assert found["0"] == Position(0, 2, is_empty=False)
        assert own.hub.connections == len(fake.issued) == 1
        fake.revoke()
        (found,) = await ask(HubPositions(server, "clicks"))
        assert found["0"] == Position(0, 2, is_empty=False)
        assert len(fake.issued) == 2


async def test_an_event_hub_is_shown_a_renewed_token_on_the_same_connection(token_file: str) -> None:
    async with entra() as fake, hub_in_tls(fake) as (own, server), asking(fake, token_file) as ask:
        fake.life_s = 2.0
        assert isinstance((await ask(HubPositions(server, "clicks")))[0], dict)
        await asyncio.sleep(1.1)
        assert isinstance((await ask(HubPositions(server, "clicks")))[0], dict)
        await asyncio.sleep(1.0)
        assert isinstance((await ask(HubPositions(server, "clicks")))[0], dict)
        assert own.hub.connections == 1
        assert len(fake.issued) >= 2


async def test_an_event_hub_that_lets_nobody_in_is_denied(token_file: str) -> None:
    async with entra() as fake:
        with eventhub() as own:
            async with Proxy(own.port, fake.tls()).running() as front, asking(fake, token_file) as ask:
                server = EventHubServer(
                    Namespace("127.0.0.1", front.port), IdentityToken(WORKLOAD, EVENT_HUBS)
                )
                for _ in range(3):
                    (error,) = await ask(HubPositions(server, "clicks"))
                    assert isinstance(error, Denied)
                    assert "Azure Event Hubs Data Receiver" in error.next_step
                assert len(fake.issued) == 2


# --- secrets stay where they are

_STATUSES = (200, 202, 400, 401, 403, 404, 409, 429, 500, 503)


@pytest.mark.parametrize("status", _STATUSES)
@pytest.mark.parametrize("form", ["json", "text"])
async def test_a_service_that_repeats_what_it_was_sent_tells_nobody(
    case: Case, status: int, form: str, token_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def repeat(request: web.Request) -> web.StreamResponse:
        sent = request.headers["Authorization"]
        if form == "text":
            return web.Response(status=status, text=sent, headers={"x-ms-error-code": sent})
        body = {"error": {"code": sent, "message": sent}, "value": sent, "tables": sent}
        return web.json_response(body, status=status)

    async with (
        entra() as fake,
        fake.service(case.audience, repeat) as service,
        asking(fake, token_file) as ask,
    ):
        who = Identity("azure-workload", application=ServicePrincipal(CLIENT, TENANT, "hunter2-hunter2"))
        fake.secrets = {"hunter2-hunter2"}
        for identity in (WORKLOAD, who):
            question = case.ask(service.origin, IdentityToken(identity, case.audience))
            (error,) = await ask(question)
            assert error is None or isinstance(error, TidegateError)
            excerpt = getattr(error, "excerpt", "")
            said = f"{error}{excerpt}{error!r}{question!r}{question.server.label()}{caplog.text}"
            for secret in (*fake.issued, "hunter2", "federated-1"):
                assert secret not in said
