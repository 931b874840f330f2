"""Secrets Manager: moto, and scripted answers for what it does not do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts import faults
from parts.moto_server import REGION, Moto
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.connections.identities import Ground, Identities
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import WHOLE, AwsServer, SecretVersion

MARK = "hunter2"
KEYS = AwsKeys("AKIAEXAMPLE", f"{MARK}-key")
ProxyFor = Callable[[int], Awaitable[Proxy]]


def emulated(test: Any) -> Any:
    """A test that needs moto."""
    return pytest.mark.real(pytest.mark.xdist_group("moto")(test))


@pytest.fixture(scope="module")
def moto(servers: Servers) -> Moto:
    return servers.get(Moto)


@asynccontextmanager
async def asking(url: str, region: str = REGION) -> AsyncIterator[Any]:
    """What the endpoint of the environment says to these questions of names, versions and members."""
    given = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": url, "AWS_REGION": REGION}
    identities = Identities(Ground(Surroundings(), given))
    server = AwsServer("secretsmanager", region, KEYS)
    adapter: Any = connect(server, Surroundings(timeout_s=5.0, identities=identities))

    async def answers(*wanted: dict[str, Any]) -> Any:
        return await adapter.answer([SecretVersion(server, **one) for one in wanted])

    try:
        yield answers
    finally:
        await adapter.close()
        await identities.close()


@emulated
@pytest.mark.parametrize("region", [REGION, ""])
async def test_secrets_are_read_whole_and_by_their_members(moto: Moto, region: str) -> None:
    moto.reset()
    moto.make("secretsmanager", "create_secret", Name="shop/plain", SecretString="text")
    text = json.dumps({"password": "p", "port": 6379})
    moto.make("secretsmanager", "create_secret", Name="shop/redis", SecretString=text)
    async with asking(moto.url, region) as answers:
        assert await answers(
            {"name": "shop/plain"},
            {"name": "shop/redis", "is_object": True},
            {"name": "shop/redis"},
        ) == [
            Fetched({WHOLE: "text"}),
            Fetched({"password": "p"}, other_keys=frozenset({"port"})),
            Fetched({WHOLE: text}),
        ]


@emulated
async def test_a_version_is_named_by_its_id_or_stage(moto: Moto) -> None:
    moto.reset()
    first = moto.make("secretsmanager", "create_secret", Name="s", SecretString="old")["VersionId"]
    moto.make("secretsmanager", "put_secret_value", SecretId="s", SecretString="new")
    async with asking(moto.url) as answers:
        found = await answers(
            {"name": "s"}, {"name": "s", "version_stage": "AWSPREVIOUS"}, {"name": "s", "version_id": first}
        )
    assert found == [Fetched({WHOLE: "new"}), Fetched({WHOLE: "old"}), Fetched({WHOLE: "old"})]


@emulated
async def test_one_that_is_missing_binary_or_no_object_fails_alone(moto: Moto) -> None:
    moto.reset()
    moto.make("secretsmanager", "create_secret", Name="good", SecretString=f"{MARK}-text")
    moto.make("secretsmanager", "create_secret", Name="binary", SecretBinary=b"\x00\x01")
    async with asking(moto.url) as answers:
        good, missing, binary, text = await answers(
            {"name": "good"}, {"name": "gone"}, {"name": "binary"}, {"name": "good", "is_object": True}
        )
    assert good == Fetched({WHOLE: f"{MARK}-text"})
    assert isinstance(missing, Misconfigured)
    assert "read secret gone" in str(missing)
    assert isinstance(binary, Misconfigured)
    assert "the secret is binary" in str(binary)
    assert isinstance(text, Malformed)
    assert "the secret is no JSON object" in str(text)
    assert not [one for one in (missing, binary, text) if MARK in f"{one} {one.excerpt}"]


@emulated
async def test_each_version_is_one_call_however_often_it_is_wanted(moto: Moto, proxy_for: ProxyFor) -> None:
    moto.reset()
    for number in range(5):
        moto.make("secretsmanager", "create_secret", Name=f"s{number}", SecretString="text")
    proxy = await proxy_for(moto.port)
    async with asking(f"http://{proxy.address}") as answers:
        found = await answers(*({"name": f"s{number % 5}"} for number in range(1000)))
    assert found == [Fetched({WHOLE: "text"})] * 1000
    assert len(proxy.requests) == 5


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", "400 Bad Request", Denied),
        ("DecryptionFailure", "400 Bad Request", Denied),
        ("ThrottlingException", "400 Bad Request", Unreachable),
        ("InternalServiceError", "500 Internal Server Error", Unreachable),
        ("InvalidParameterException", "400 Bad Request", Misconfigured),
        ("InvalidRequestException", "400 Bad Request", Misconfigured),
    ],
)
async def test_refusals_are_told_by_their_code(code: str, status: str, kind: type[TidegateError]) -> None:
    body = json.dumps({"__type": code, "Message": MARK}).encode()
    async with (
        faults.answering(body, status, "application/x-amz-json-1.1") as bad,
        asking(f"http://{bad.address}") as answers,
    ):
        try:
            (error,) = await answers({"name": "s"})
        except TidegateError as raised:
            error = raised
    assert isinstance(error, kind)
    assert MARK not in str(error)


@pytest.mark.parametrize("bad", [faults.nobody, faults.hanging_up])
async def test_a_dead_service_is_unreachable(bad: Any) -> None:
    async with bad() as one, asking(f"http://{one.address}") as answers:
        with pytest.raises(Unreachable):
            await answers({"name": "a"}, {"name": "b"})


@pytest.mark.parametrize(
    ("region", "words"),
    [("", "set AWS_REGION where the autoscaler runs"), ("a.evil/", "no region is called")],
)
def test_without_a_region_nobody_is_asked(region: str, words: str) -> None:
    identities = Identities(Ground(Surroundings(), {}))
    with pytest.raises(Misconfigured, match=words):
        connect(AwsServer("secretsmanager", region, KEYS), Surroundings(identities=identities))
