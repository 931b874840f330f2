"""A real OpenBao, which speaks Vault's API: what is read, what is refused, and all a network does to us."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import answering, says
from parts.openbao_server import OpenBao
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.vault import connect
from tidegate.connections.vault.connection import VaultConnection
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.vault import TokenLogin, VaultIssue, VaultRead, VaultServer
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("openbao")]

Make = Callable[..., VaultConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]
SECRET = "x-marks-the-spot"
NOBODY = VaultServer("http://any", TokenLogin("t"))


@pytest.fixture(scope="module")
def bao(servers: Servers) -> OpenBao:
    bao = servers.get(OpenBao)
    bao.mount("secret", "kv", version="2")
    bao.mount("old", "kv")
    bao.ask("PUT", "secret/data/redis", {"data": {"password": SECRET, "port": 6379, "more": {"a": 1}}})
    bao.ask("PUT", "old/redis", {"password": SECRET, "data": "plain"})
    for number in range(40):
        bao.ask("PUT", f"old/many/{number}", {"password": str(number)})
    return bao


@pytest.fixture(scope="module")
def other(servers: Servers) -> Iterator[OpenBao]:
    """One that tests seal, restart and freeze."""
    with OpenBao() as bao:
        bao.mount("old", "kv")
        bao.ask("PUT", "old/redis", {"password": SECRET})
        yield bao


@pytest.fixture
async def vault() -> AsyncIterator[Make]:
    """Makes adapters: `vault(origin, token)`; they end with the test."""
    made: list[VaultConnection] = []

    def make(origin: str, token: str, *, namespace: str = "", tls: Tls | None = None, **around: Any) -> Any:
        server = VaultServer(origin, TokenLogin(token), namespace, tls=tls)
        made.append(connect(server, Surroundings(**{"timeout_s": 5.0, **around})))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        await one.close()
        await one.close()


def read(path: str, kind: Any = "") -> VaultRead:
    return VaultRead(NOBODY, path, kind)


async def refusal(adapter: VaultConnection, *questions: Any) -> TidegateError:
    """What the whole server fails with; it tells no secret."""
    with pytest.raises(TidegateError) as caught:
        await adapter.answer(questions or [read("old/redis")])
    assert SECRET not in str(caught.value) + caught.value.excerpt
    return caught.value


@pytest.mark.parametrize(
    ("question", "values"),
    [
        (read("secret/data/redis"), {"password": SECRET}),
        (read("secret/data/redis", "secretV2"), {"password": SECRET}),
        (read("secret/data/redis", "secret"), {}),
        (read("old/redis"), {"password": SECRET, "data": "plain"}),
        (read("old/redis", "secret"), {"password": SECRET, "data": "plain"}),
    ],
)
async def test_secrets_with_and_without_versions_are_texts_by_key(
    bao: OpenBao, vault: Make, question: VaultRead, values: dict[str, str]
) -> None:
    (answer,) = await vault(bao.url, bao.root).answer([question])
    assert answer.values == values
    assert answer.life_s is None


async def test_keys_whose_values_are_no_texts_are_told_apart(bao: OpenBao, vault: Make) -> None:
    (answer,) = await vault(bao.url, bao.root).answer([read("secret/data/redis")])
    assert answer.other_keys == {"port", "more"}


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (read("old/gone"), "cannot read old/gone on Vault"),
        (read("old/gone"), "there is nothing"),
        (read("secret/redis"), "put `data` after the mount: secret/data/…, not secret/…"),
        (read("nowhere/redis"), "no secrets engine is mounted there"),
        (read("old/redis", "secretV2"), "what is there has no versions"),
        (VaultIssue(NOBODY, "nowhere/issue/web"), "no secrets engine is mounted there"),
    ],
)
async def test_a_path_with_nothing_to_read_fails_alone_and_says_why(
    bao: OpenBao, vault: Make, question: Any, told: str
) -> None:
    answers = await vault(bao.url, bao.root).answer([read("old/redis"), question])
    assert isinstance(answers[0], Fetched)
    assert isinstance(answers[1], Misconfigured)
    assert told in str(answers[1])


async def test_a_question_to_another_system_fails_alone(bao: OpenBao, vault: Make) -> None:
    answers = await vault(bao.url, bao.root).answer([PodCount("shop", "app=web"), read("old/redis")])
    assert isinstance(answers[0], Unsupported)
    assert isinstance(answers[1], Fetched)


async def test_a_deleted_version_is_told_as_such(bao: OpenBao, vault: Make) -> None:
    bao.ask("PUT", "secret/data/dropped", {"data": {"password": SECRET}})
    bao.ask("DELETE", "secret/data/dropped")
    (answer,) = await vault(bao.url, bao.root).answer([read("secret/data/dropped")])
    assert "the newest version of the secret was deleted" in str(answer)


async def test_a_path_that_the_token_may_not_read_fails_alone(bao: OpenBao, vault: Make) -> None:
    bao.policy("old-only", "old/*")
    adapter = vault(bao.url, bao.new_token("old-only"))
    allowed, refused = await adapter.answer([read("old/redis"), read("secret/data/redis")])
    assert isinstance(allowed, Fetched)
    assert isinstance(refused, Denied)
    assert 'let a policy of the token allow "read" on secret/data/redis' in str(refused)


@pytest.mark.parametrize("how", ["wrong", "revoked"])
async def test_a_token_that_is_not_accepted_fails_for_all(bao: OpenBao, vault: Make, how: str) -> None:
    token = "s.wrong"
    if how == "revoked":
        token = bao.new_token("root")
        bao.revoke(token)
    error = await refusal(vault(bao.url, token))
    assert isinstance(error, Denied)
    assert "it does not accept the token" in str(error)
    assert token not in str(error)


async def test_a_token_that_is_revoked_later_is_noticed(bao: OpenBao, vault: Make) -> None:
    token = bao.new_token("root")
    adapter = vault(bao.url, token)
    await adapter.answer([read("old/redis")])
    bao.revoke(token)
    assert isinstance(await refusal(adapter), Denied)


async def test_a_token_that_ends_soon_is_looked_at_and_renewed_before(bao: OpenBao, vault: Make) -> None:
    bao.policy("old-only", "old/*")
    token = bao.new_token("old-only", ttl="8s", explicit_max_ttl="1h", renewable=True)
    adapter = vault(bao.url, token)
    (answer,) = await adapter.answer([read("old/redis")])
    assert answer.life_s is None
    assert answer.look_s <= 4
    for _ in range(9):
        await asyncio.sleep(1.0)
        (answer,) = await adapter.answer([read("old/redis")])
        assert isinstance(answer, Fetched)


async def test_namespaces_are_apart(bao: OpenBao, vault: Make) -> None:
    bao.ask("PUT", "sys/namespaces/team", {})
    bao.ask("POST", "sys/mounts/old", {"type": "kv"}, namespace="team")
    bao.ask("PUT", "old/redis", {"password": "of the team"}, namespace="team")
    (answer,) = await vault(bao.url, bao.root, namespace="team").answer([read("old/redis")])
    assert answer.values == {"password": "of the team"}
    error = await refusal(vault(bao.url, bao.root, namespace="gone"))
    assert isinstance(error, Misconfigured)
    assert "namespace gone: there is no such namespace; correct `namespace`" in str(error)


async def test_a_certificate_is_one_for_all_its_keys_and_stays_until_it_is_soon_over(
    bao: OpenBao, vault: Make
) -> None:
    bao.mount("pki", "pki")
    bao.ask("POST", "pki/root/generate/internal", {"common_name": "tests", "ttl": "700h"})
    bao.ask("POST", "pki/roles/web", {"allow_any_name": True, "max_ttl": "72h"})
    question = VaultIssue(NOBODY, "pki/issue/web", (("common_name", "web.example"), ("ttl", "2h")))
    adapter = vault(bao.url, bao.root)
    (first,) = await adapter.answer([question])
    assert {"certificate", "private_key", "issuing_ca", "ca_chain"} <= set(first.values)
    assert first.values["ca_chain"].startswith("-----BEGIN CERTIFICATE-----")
    assert 7_000 < first.life_s < 7_300
    asked = adapter.round_trips
    (second,) = await adapter.answer([question])
    assert second == first
    assert adapter.round_trips == asked
    (short,) = await adapter.answer([VaultIssue(NOBODY, "pki/issue/web", (("common_name", "a.example"),))])
    assert short.values["certificate"] != first.values["certificate"]
    (unknown,) = await adapter.answer([VaultIssue(NOBODY, "pki/issue/none")])
    assert isinstance(unknown, Misconfigured)
    assert "check that the path is a role's" in str(unknown)


@pytest.mark.parametrize("skew_s", [-600, 600])
async def test_a_certificate_ends_by_the_clock_of_who_made_it(vault: Make, skew_s: int) -> None:
    there_s = time.time() + skew_s

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Date": email.utils.formatdate(there_s, usegmt=True)}
        if request.path.endswith("lookup-self"):
            return web.json_response({"data": {"ttl": 0, "renewable": False}}, headers=headers)
        made = {"certificate": "c", "expiration": int(there_s) + 3_600}
        return web.json_response({"data": made}, headers=headers)

    async with answering(answer) as server:
        (found,) = await vault(server.origin, SECRET).answer([VaultIssue(NOBODY, "pki/issue/web")])
    assert 3_590 < found.life_s < 3_610


async def test_forty_paths_are_forty_requests_and_a_look_at_the_token(
    bao: OpenBao, vault: Make, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(bao.port)
    adapter = vault(f"http://{proxy.address}", bao.root)
    questions = [read(f"old/many/{number}") for number in range(40)]
    answers = await adapter.answer([*questions, *questions])
    assert [one.values["password"] for one in answers] == [str(number) for number in range(40)] * 2
    assert len(proxy.requests) == adapter.round_trips == 41
    assert proxy.connections == adapter.connections <= 8
    await adapter.answer(questions)
    assert adapter.round_trips == 81


async def test_a_sealed_vault_serves_nobody_and_heals_when_it_is_unsealed(
    other: OpenBao, vault: Make
) -> None:
    adapter = vault(other.url, other.root)
    await adapter.answer([read("old/redis")])
    other.seal()
    error = await refusal(adapter, read("old/redis"), read("old/more"))
    assert isinstance(error, Unreachable)
    assert "it is sealed; unseal it" in str(error)
    other.unseal()
    (answer,) = await adapter.answer([read("old/redis")])
    assert answer.values == {"password": SECRET}


async def test_it_heals_at_the_next_question_after_a_restart(other: OpenBao, vault: Make) -> None:
    adapter = vault(other.url, other.root)
    await adapter.answer([read("old/redis")])
    other.stop()
    assert isinstance(await refusal(adapter), Unreachable)
    other.start()
    (answer,) = await adapter.answer([read("old/redis")])
    assert answer.values == {"password": SECRET}


async def test_a_vault_that_stands_still_is_unreachable(other: OpenBao, vault: Make) -> None:
    adapter = vault(other.url, other.root, timeout_s=0.5)
    await adapter.answer([read("old/redis")])
    other.freeze()
    try:
        assert isinstance(await refusal(adapter), Unreachable)
    finally:
        other.thaw()


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_bad_servers_are_unreachable(
    vault: Make, fault: Callable[[], AbstractAsyncContextManager[faults.Bad]]
) -> None:
    async with fault() as bad:
        error = await refusal(vault(f"http://{bad.address}", SECRET, timeout_s=0.5))
    assert isinstance(error, Unreachable | Malformed)
    assert bad.address in str(error)


async def test_a_name_that_does_not_resolve_is_unreachable(vault: Make) -> None:
    error = await refusal(vault(f"http://{faults.NOWHERE}:8200", SECRET))
    assert isinstance(error, Unreachable)
    assert "does not resolve" in str(error)


async def test_tls_to_a_plain_port_is_unreachable(bao: OpenBao, vault: Make) -> None:
    assert isinstance(await refusal(vault(f"https://{bao.address}", bao.root)), Unreachable)


async def test_tls_is_checked_against_the_authority(bao: OpenBao, vault: Make) -> None:
    ca = faults.authority().cert_pem.bytes().decode()
    async with faults.in_tls(bao.port, "127.0.0.1") as proxy:
        trusted = vault(f"https://{proxy.address}", bao.root, tls=Tls(ca=ca))
        assert isinstance((await trusted.answer([read("old/redis")]))[0], Fetched)
        assert "not trusted" in str(await refusal(vault(f"https://{proxy.address}", bao.root)))


async def test_an_answer_that_is_cut_is_unreachable_and_the_next_is_read(
    bao: OpenBao, vault: Make, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(bao.port)
    adapter = vault(f"http://{proxy.address}", bao.root)
    await adapter.answer([read("old/redis")])
    proxy.cut_after = 20
    proxy.cut()
    assert isinstance(await refusal(adapter), Unreachable | Malformed)
    proxy.cut_after = None
    assert isinstance((await adapter.answer([read("old/redis")]))[0], Fetched)


async def test_an_answer_of_ten_megabytes_is_not_read(vault: Make) -> None:
    async with faults.huge() as bad:
        error = await refusal(vault(f"http://{bad.address}", SECRET))
    assert isinstance(error, TidegateError)


@pytest.mark.parametrize("body", ["<html>hello</html>", "[1]", '{"data": {"ttl": "x"}}', '"text"'])
async def test_what_answers_as_another_service_is_malformed(vault: Make, body: str) -> None:
    async with answering(says(body)) as server:
        assert isinstance(await refusal(vault(server.origin, SECRET)), Malformed)


async def test_a_vault_that_throttles_is_left_alone_for_as_long_as_it_says(vault: Make) -> None:
    async with answering(says({"errors": [SECRET]}, 429, Retry_After="40")) as server:
        adapter = vault(server.origin, SECRET)
        error = await refusal(adapter, *[read(str(number)) for number in range(30)])
        assert isinstance(error, Unreachable)
        assert error.retry_after_s == 40
        assert len(server.requests) == 1


async def test_a_throttled_list_is_not_asked_to_its_end(vault: Make) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("lookup-self"):
            return web.json_response({"data": {"ttl": 0, "renewable": False}})
        return web.json_response({"errors": []}, status=429, headers={"Retry-After": "40"})

    async with answering(answer) as server:
        error = await refusal(vault(server.origin, SECRET), *[read(str(number)) for number in range(100)])
        assert isinstance(error, Unreachable)
        assert error.retry_after_s == 40
        assert len(server.requests) <= 9


async def test_a_standby_node_names_the_active_one_which_is_asked_from_then_on(
    bao: OpenBao, vault: Make
) -> None:
    async def standby(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{bao.url}{request.path_qs}"})

    async with answering(standby) as node:
        adapter = vault(node.origin, bao.root)
        answers = await adapter.answer([read("old/redis"), read("old/many/1")])
        assert [one.values["password"] for one in answers] == [SECRET, "1"]
        assert len(node.requests) == 1
        assert adapter.round_trips == 4


async def test_when_the_active_node_is_gone_the_address_is_asked_again(other: OpenBao, vault: Make) -> None:
    async with faults.nobody() as gone:
        targets = [f"http://{gone.address}", other.url]

        async def standby(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": f"{targets[0]}{request.path_qs}"})

        async with answering(standby) as node:
            adapter = vault(node.origin, other.root)
            assert isinstance(await refusal(adapter), Unreachable)
            targets.pop(0)
            await asyncio.sleep(1.1)
            assert isinstance((await adapter.answer([read("old/redis")]))[0], Fetched)


async def test_a_standby_node_takes_no_token_out_of_tls(bao: OpenBao, vault: Make) -> None:
    async def standby(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{bao.url}{request.path_qs}"})

    tls = Tls(ca=faults.authority().cert_pem.bytes().decode())
    async with answering(standby, tls=faults.server_tls("127.0.0.1")) as node:
        error = await refusal(vault(node.origin, bao.root, tls=tls))
    assert "sends us to one without TLS" in str(error)


async def test_nodes_that_name_each_other_are_given_up(vault: Make) -> None:
    async def standby(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": str(request.url)})

    async with answering(standby) as node:
        assert "its nodes send us to each other" in str(await refusal(vault(node.origin, SECRET)))
        assert len(node.requests) <= 3
