"""Amazon's service for Prometheus: queries are signed, with keys of the moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from parts.aws_fake import MARK, OWN_ID, OWN_SECRET, REGION, ROLE, AwsFake
from parts.http_server import HttpFake, answering
from tidegate.base.errors import Denied, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import connect
from tidegate.connections.identities import Ground, Identities
from tidegate.kit.identity import AwsKeys, AwsLogin, AwsSignature, Identity
from tidegate.kit.picking.gjson import Json
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer

KEYS = AwsKeys(OWN_ID, OWN_SECRET)
IN_ROLE = AwsLogin(REGION, identity=Identity("aws", role_arn=ROLE))
QUERY = 'sum(rate(requests_total{job="shop", path=~"/a+b.*"}[2m])) > 0 or vector(0)'


@dataclass
class Site:
    aws: AwsFake
    fake: HttpFake
    ask: Any


@asynccontextmanager
async def site(login: AwsLogin) -> AsyncIterator[Site]:
    aws = AwsFake()
    async with answering(aws) as fake:
        given = {"AWS_ACCESS_KEY_ID": OWN_ID, "AWS_SECRET_ACCESS_KEY": OWN_SECRET}
        identities = Identities(Ground(Surroundings(), given | {"AWS_ENDPOINT_URL_STS": fake.origin}))
        server = HttpServer(fake.origin, HttpLogin(signature=AwsSignature("aps", login)), name="Prometheus")
        adapter: Any = connect(server, Surroundings(timeout_s=5.0, identities=identities))

        async def ask(*queries: str) -> Any:
            path = "/workspaces/ws-1/api/v1/query"
            asked = [HttpRequest(server, path, (("query", query),)) for query in queries]
            return await adapter.answer([HttpQuestion(one, Json("data.result.0.value.1")) for one in asked])

        try:
            yield Site(aws, fake, ask)
        finally:
            await adapter.close()
            await identities.close()


@pytest.mark.parametrize("login", [AwsLogin(REGION, KEYS), IN_ROLE])
async def test_what_is_signed_is_what_is_asked(login: AwsLogin) -> None:
    async with site(login) as one:
        assert await one.ask(QUERY) == ["7"]
        (request,) = (sent for sent in one.fake.requests if sent.method == "GET")
        assert request.query["query"] == QUERY
        assert "+" not in request.rel_url.raw_query_string


async def test_a_thousand_queries_in_a_role_make_one_request_for_its_keys() -> None:
    async with site(IN_ROLE) as one:
        assert await one.ask(*(f"up{{n='{number}'}}" for number in range(1000))) == ["7"] * 1000
        assert one.aws.operations() == ["AssumeRole"]


async def test_keys_that_have_ended_are_replaced_and_the_query_is_repeated() -> None:
    async with site(IN_ROLE) as one:
        await one.ask("up")
        one.aws.dead.add("ASIA1")
        assert await one.ask("up", "down") == ["7", "7"]
        assert one.aws.operations() == ["AssumeRole"] * 2


async def test_a_key_without_rights_is_denied_without_the_words_of_the_answer() -> None:
    async with site(AwsLogin(REGION, AwsKeys(OWN_ID, OWN_SECRET, f"{MARK}-session"))) as one:
        one.aws.denied.add(OWN_ID)
        (error,) = await one.ask("up")
        assert isinstance(error, Denied)
        assert MARK not in f"{error} {error.excerpt}"


@pytest.mark.parametrize("late_s", [600.0, -600.0])
async def test_a_clock_that_is_wrong_is_called_one(late_s: float) -> None:
    async with site(AwsLogin(REGION, KEYS)) as one:
        one.aws.late_s = late_s
        (error,) = await one.ask("up")
        assert isinstance(error, Denied)
        assert "this machine's clock is 10 min" in str(error)


async def test_an_identity_that_gets_no_keys_asks_nobody() -> None:
    async with site(IN_ROLE) as one:
        one.aws.refuses["AssumeRole"] = "AccessDenied"
        with pytest.raises(Denied, match="trust policy"):
            await one.ask("up", "down")
        assert one.aws.asked == []


async def test_a_region_that_is_none_is_told() -> None:
    async with site(AwsLogin("a b", KEYS)) as one:
        (error,) = await one.ask("up")
        assert isinstance(error, Misconfigured)
