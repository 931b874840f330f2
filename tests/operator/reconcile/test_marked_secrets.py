"""Whatever a source answers, and whatever it repeats: no secret is told to anybody, in any way."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parts.cluster import Cluster, redis, running
from parts.http_server import HttpFake, answering
from tidegate.base.errors import Denied
from tidegate.cli.commands.poll import command
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.grants import Granted
from tidegate.kit.question import Server
from tidegate.kit.systems.service_accounts import AccountsServer
from tidegate.kit.systems.vault import VaultServer
from tidegate.kube.resource import (
    EVENTS,
    HPAS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
)
from tidegate.operator.operator import Operator
from tidegate.runtime.clock import SystemClock
from tidegate.telemetry.metrics.exposition import lines

TOKEN, VALUE, PROOF, LEASE = (f"x-marks-the-{what}" for what in ("token", "value", "proof", "lease"))
MARKS = (TOKEN, VALUE, PROOF, LEASE)
STATUSES = (200, 204, 301, 307, 400, 401, 403, 404, 405, 412, 429, 472, 500, 501, 502, 503)
GOOD: dict[str, Any] = {
    "data": {"ttl": 3600, "renewable": True, "data": {"password": VALUE}, "metadata": {}},
    "auth": {"client_token": TOKEN, "lease_duration": 3600, "renewable": True},
    "lease_id": LEASE,
    "lease_duration": 60,
    "renewable": True,
}
WORDS = st.sampled_from(
    (*MARKS, f"Vault is sealed {TOKEN}", f"namespace {VALUE}", f"no route {PROOF}", "7", "")
)
BODIES = st.one_of(
    st.just(GOOD),
    st.fixed_dictionaries({"errors": st.lists(WORDS, max_size=2)}),
    st.fixed_dictionaries({"warnings": st.lists(WORDS, max_size=2), "data": st.just(None)}),
    st.fixed_dictionaries({"data": WORDS, "auth": WORDS}),
    st.fixed_dictionaries({"data": st.fixed_dictionaries({"ttl": WORDS, "password": st.just(7)})}),
    st.fixed_dictionaries({"data": st.fixed_dictionaries({"data": st.just({"other": VALUE})})}),
    st.just({**GOOD, "lease_duration": LEASE}),
    WORDS,
    st.just(list(MARKS)),
)
OF_ACCOUNT = {"boundServiceAccountToken": [{"parameter": "password", "serviceAccountName": "robot"}]}
ANSWERS = st.tuples(st.sampled_from(STATUSES), BODIES)


def spec(origin: str, *, is_token: bool) -> dict[str, Any]:
    login = (
        {"authentication": "token", "credential": {"token": TOKEN}}
        if is_token
        else {
            "authentication": "kubernetes",
            "mount": "kubernetes",
            "role": "shop",
            "credential": {"serviceAccountName": "robot"},
        }
    )
    secrets = [{"parameter": "password", "path": "secret/data/redis", "key": "password"}]
    return {"hashiCorpVault": {"address": origin, **login, "secrets": secrets}}


class Fresh(Cluster):
    """A cluster whose operator asks real Vaults for what it is told, and a Redis that refuses it."""

    def new_operator(self) -> Operator:
        async def give(namespace: str, name: str, audience: str, life_s: int) -> Granted[str]:
            return Granted(PROOF, float(life_s))

        def connect(server: Server) -> Adapter:
            if isinstance(server, VaultServer | AccountsServer):
                return made.connections.adapter(server)
            return self.redis.connect(server)

        around = Surroundings(account_token=give, timeout_s=2.0)
        made = Operator(self.client, self.clock, around, self.options, connect=connect)  # type: ignore[arg-type]
        return made


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return caplog


def vault_that_says(login: tuple[int, Any], read: tuple[int, Any]) -> Any:
    """A Vault with these answers to logins and to reads, which repeats secrets in its headers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        status, body = login if "/auth/" in request.path else read
        headers = {"X-Repeats": TOKEN, "Location": f"https://127.0.0.1:1/{VALUE}", "Retry-After": VALUE}
        if isinstance(body, str):
            return web.Response(text=body, status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return answer


async def all_that_is_told(vault: HttpFake, *, is_token: bool) -> str:
    """Status, events, HPA, metrics, the explanation and every repr of an object with these sources."""
    cluster = Fresh(SystemClock())
    cluster.redis.trouble = Denied("log in", on="redis:6379", answer="wrong password")
    async with running(cluster.operator):
        await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", spec=spec(vault.origin, is_token=is_token))
        await cluster.create(TRIGGER_AUTHENTICATIONS, "token", spec=OF_ACCOUNT)
        await cluster.deployment()
        refs = ({"authenticationRef": {"name": name}} for name in ("auth", "token"))
        await cluster.scaled_object("web", *(redis(f"jobs-{place}") | ref for place, ref in enumerate(refs)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                while not cluster.condition(SCALED_OBJECTS, "web", "Ready")[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        told = [cluster.objects.list(kind, "shop") for kind in (SCALED_OBJECTS, HPAS, EVENTS)]
        operator = cluster.operator
        for tracked in operator.steps.tracker.by_key.values():
            told.append([repr(tracked)])
            for question in tracked.plan.questions if tracked.plan is not None else ():
                told.append([repr(question), repr(operator.fetching.held(question)), repr(question.server)])
        told.append([lines(await operator.figures().gather())])
        with suppress(ApiError):
            told.append([await operator.explain(SCALED_OBJECTS, "shop", "web")])
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] in ("False", "Unknown")
    return repr(told)


@given(login=ANSWERS, read=ANSWERS, is_token=st.booleans())
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_answer_of_a_vault_makes_a_secret_known(
    logged: pytest.LogCaptureFixture, login: Any, read: Any, is_token: bool
) -> None:
    async def whole() -> str:
        async with answering(vault_that_says(login, read)) as vault:
            return await all_that_is_told(vault, is_token=is_token)

    logged.clear()
    told = asyncio.run(whole())
    told += repr([vars(record) for record in logged.records]) + logged.text
    assert [mark for mark in MARKS if mark in told] == []


def test_the_marks_would_be_found() -> None:
    """What the property looks through does hold what is told of the source."""

    async def whole() -> str:
        async with answering(vault_that_says((200, GOOD), (404, {"errors": [VALUE]}))) as vault:
            return await all_that_is_told(vault, is_token=True)

    told = asyncio.run(whole())
    assert told.count("cannot read secret/data/redis on Vault http://127.0.0.1:") > 3


@given(login=ANSWERS, read=ANSWERS)
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_who_polls_by_hand_sees_no_secret(login: Any, read: Any) -> None:
    async def whole() -> str:
        async with answering(vault_that_says(login, read)) as vault:
            return await asyncio.to_thread(polled, vault.origin)

    told = asyncio.run(whole())
    assert told
    assert [mark for mark in MARKS if mark in told] == []


def polled(origin: str) -> str:
    """All that `tidegate poll` writes of a manifest with this Vault."""
    authentication = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {"name": "auth"},
        "spec": {"hashiCorpVault": spec(origin, is_token=True)["hashiCorpVault"]},
    }
    trigger = {
        "type": "redis",
        "metadata": {"address": "127.0.0.1:1", "listName": "jobs"},
        "authenticationRef": {"name": "auth"},
    }
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [trigger]},
    }
    text = yaml.safe_dump_all([authentication, scaled])
    results = [CliRunner().invoke(command, ["-f", "-", *more], input=text) for more in ([], ["-o", "json"])]
    return "".join(one.output + repr(one.exception) for one in results)
