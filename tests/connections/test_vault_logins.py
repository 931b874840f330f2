"""Logins at a real OpenBao that asks a real API server, and what a real PostgreSQL leases through it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parts.control_plane import ADMIN_TOKEN, ControlPlane
from parts.openbao_server import CREDENTIALS, OpenBao
from parts.postgresql_server import PostgresqlServer
from parts.server_process import Servers
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.vault import connect
from tidegate.connections.vault.connection import VaultConnection
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.vault import KubernetesLogin, TokenLogin, VaultRead, VaultServer
from tidegate.kube import config
from tidegate.kube.account_tokens import account_token
from tidegate.kube.client import Client
from tidegate.kube.resource import SERVICE_ACCOUNTS

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("openbao")]

Make = Callable[..., VaultConnection]
NOBODY = VaultServer("http://any", TokenLogin("t"))
REDIS = VaultRead(NOBODY, "old/redis")
LEASED = VaultRead(NOBODY, CREDENTIALS)


@pytest.fixture(scope="module")
def bao(servers: Servers) -> Iterator[OpenBao]:
    """With secrets, credentials that PostgreSQL is told of, and a role for ServiceAccount default/robot."""
    plane, database = servers.get(ControlPlane), servers.get(PostgresqlServer)
    with OpenBao() as bao:
        bao.mount("old", "kv")
        bao.ask("PUT", "old/redis", {"password": "hunter2"})
        bao.policy("reader", "old/*", CREDENTIALS)
        bao.ask("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        kubernetes = {
            "kubernetes_host": plane.url,
            "kubernetes_ca_cert": Path(plane.keys.folder / "ca.crt").read_text(),
            "token_reviewer_jwt": ADMIN_TOKEN,
            "disable_local_ca_jwt": True,
        }
        bao.ask("POST", "auth/kubernetes/config", kubernetes)
        for name, life in (("shop", "1h"), ("brief", "3s")):
            role = {"bound_service_account_names": "robot", "bound_service_account_namespaces": "default"}
            bao.ask("POST", f"auth/kubernetes/role/{name}", {**role, "policies": ["reader"], "ttl": life})
        bao.mount("database", "database")
        where = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{database.port}/postgres"
        login = {"username": database.login, "password": database.password}
        plugin = {"plugin_name": "postgresql-database-plugin", "connection_url": where, **login}
        bao.ask("POST", "database/config/shop", {**plugin, "allowed_roles": "*"})
        made = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        leased = {"db_name": "shop", "creation_statements": [made], "default_ttl": "1h", "max_ttl": "2h"}
        bao.ask("POST", "database/roles/reader", leased)
        bao.ask("POST", "database/roles/brief", leased)
        bao.policy("brief", "database/creds/brief")
        yield bao


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    """An administrator's, of a cluster with the ServiceAccounts robot and stranger."""
    plane = servers.get(ControlPlane)
    client = Client(config.load(str(plane.kubeconfig)))
    for name in ("robot", "stranger"):
        if not plane.has(SERVICE_ACCOUNTS.path("default", name)):
            await client.create(SERVICE_ACCOUNTS, "default", {"metadata": {"name": name}})
    yield client
    await client.close()


@pytest.fixture
async def vault(bao: OpenBao, client: Client) -> AsyncIterator[Make]:
    """Makes adapters: `vault(login)`; they end with the test."""
    made: list[VaultConnection] = []

    async def give(namespace: str, name: str, audience: str, life_s: int) -> Granted[str]:
        token = await account_token(client, namespace, name, audience, life_s)
        return Granted(token.text, token.life_s)

    def make(login: Any, *, account_token: Any = give) -> Any:
        surroundings = Surroundings(timeout_s=10.0, account_token=account_token)
        made.append(connect(VaultServer(bao.url, login), surroundings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        await one.close()


def robot(role: str = "shop", mount: str = "kubernetes", account: str = "default/robot") -> KubernetesLogin:
    return KubernetesLogin(mount, role, account=account)


async def refusal(adapter: VaultConnection) -> TidegateError:
    with pytest.raises(TidegateError) as caught:
        await adapter.answer([REDIS])
    return caught.value


async def test_a_service_account_logs_in_by_its_token(vault: Make) -> None:
    adapter = vault(robot())
    (answer,) = await adapter.answer([REDIS])
    assert answer.values == {"password": "hunter2"}
    await adapter.answer([REDIS])
    assert adapter.round_trips == 3


@pytest.mark.parametrize(
    ("login", "kind", "told"),
    [
        (robot(role="none"), Denied, 'ServiceAccount default/robot have the role "none" at auth/kubernetes'),
        (robot(account="default/stranger"), Denied, "ServiceAccount default/stranger have the role"),
        (robot(account="default/gone"), Misconfigured, "there is no such ServiceAccount"),
        (robot(mount="elsewhere"), Denied, 'the role "shop" at auth/elsewhere (403); check `mount`'),
    ],
)
async def test_a_login_that_is_refused_says_what_to_correct(
    vault: Make, login: KubernetesLogin, kind: type[TidegateError], told: str
) -> None:
    error = await refusal(vault(login))
    assert isinstance(error, kind)
    assert told in str(error)


async def test_without_a_cluster_there_is_no_token_to_log_in_with(vault: Make) -> None:
    error = await refusal(vault(robot(), account_token=None))
    assert isinstance(error, Unsupported)
    assert "name one with --kubeconfig" in str(error)


async def test_a_token_in_a_file_logs_in(vault: Make, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text((await account_token(client, "default", "robot")).text + "\n")
    (answer,) = await vault(KubernetesLogin("kubernetes", "shop", file=str(file))).answer([REDIS])
    assert answer.values == {"password": "hunter2"}


def jwt(**claims: Any) -> bytes:
    def part(content: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")

    return b".".join((part({"alg": "none"}), part(claims), b"signature"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file or directory"),
        (b"hunter2", "it is no token of a ServiceAccount"),
        (b"a.b.c", "it is no token of a ServiceAccount"),
        (jwt(sub="user:admin"), "it is no token of a ServiceAccount"),
        (jwt(sub=7), "it is no token of a ServiceAccount"),
        (jwt(sub="system:serviceaccount:a:b") + b"x" * (1 << 20), "it is larger than 1 MiB"),
    ],
    ids=["nothing", "a text", "three parts", "a user", "a number", "too large"],
)
async def test_a_file_that_is_no_account_token_goes_nowhere(
    vault: Make, tmp_path: Path, content: bytes | None, told: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    adapter = vault(KubernetesLogin("kubernetes", "shop", file=str(file)))
    error = await refusal(adapter)
    assert isinstance(error, Misconfigured)
    assert told in str(error)
    assert "hunter2" not in str(error)
    assert adapter.round_trips == 0


async def test_a_folder_and_a_pipe_are_no_files(vault: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        error = await refusal(vault(KubernetesLogin("kubernetes", "shop", file=str(place))))
        assert "it is not a regular file" in str(error) or "directory" in str(error)


async def test_a_login_whose_token_was_revoked_is_made_again(bao: OpenBao, vault: Make) -> None:
    adapter = vault(robot())
    await adapter.answer([REDIS])
    bao.ask("POST", "sys/leases/revoke-prefix/auth/kubernetes/login", {})
    (answer,) = await adapter.answer([REDIS])
    assert isinstance(answer, Fetched)


async def test_a_login_whose_token_has_ended_is_made_again(vault: Make) -> None:
    adapter = vault(robot(role="brief"))
    await adapter.answer([REDIS])
    await asyncio.sleep(3.5)
    (answer,) = await adapter.answer([REDIS])
    assert isinstance(answer, Fetched)
    # A login, a read, then both again.
    assert adapter.round_trips == 4


async def test_leased_credentials_work_and_are_renewed_and_not_issued_anew(
    bao: OpenBao, vault: Make, servers: Servers
) -> None:
    adapter = vault(robot())
    (first,) = await adapter.answer([LEASED])
    assert 3_500 < first.life_s <= 3_600
    database = servers.get(PostgresqlServer)
    who = f"user={first.values['username']} password={first.values['password']}"
    where = f"host=127.0.0.1 port={database.port} dbname=postgres {who}"
    with psycopg.connect(where) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    (second,) = await adapter.answer([LEASED])
    assert second.values == first.values
    assert len(bao.leases(CREDENTIALS)) == 1


async def test_a_lease_that_was_revoked_is_issued_anew(bao: OpenBao, vault: Make) -> None:
    adapter = vault(robot())
    (first,) = await adapter.answer([LEASED])
    bao.ask("POST", f"sys/leases/revoke-prefix/{CREDENTIALS}", {})
    (second,) = await adapter.answer([LEASED])
    assert second.values["username"] != first.values["username"]


async def test_a_lease_that_can_hardly_be_renewed_gives_way_while_it_is_good(
    bao: OpenBao, vault: Make, servers: Servers
) -> None:
    question = VaultRead(NOBODY, "database/creds/brief")
    adapter = vault(TokenLogin(bao.new_token("brief")))
    (first,) = await adapter.answer([question])
    assert (await adapter.answer([question]))[0].values == first.values
    role = bao.ask("GET", "database/roles/brief")["data"]
    bao.ask("POST", "database/roles/brief", {**role, "default_ttl": "10m", "max_ttl": "10m"})
    (second,) = await adapter.answer([question])
    assert second.values["username"] != first.values["username"]
    assert 500 < second.life_s <= 600
    database = servers.get(PostgresqlServer)
    who = f"user={first.values['username']} password={first.values['password']}"
    with psycopg.connect(f"host=127.0.0.1 port={database.port} dbname=postgres {who}"):
        pass


@pytest.mark.parametrize("is_token", [True, False])
async def test_what_was_leased_is_given_back_when_nobody_wants_it(
    bao: OpenBao, vault: Make, is_token: bool
) -> None:
    bao.ask("POST", f"sys/leases/revoke-prefix/{CREDENTIALS}", {})
    adapter = vault(TokenLogin(bao.new_token("reader")) if is_token else robot())
    bao.policy("reader", "old/*", CREDENTIALS, "sys/leases/revoke")
    await adapter.answer([LEASED])
    assert len(bao.leases(CREDENTIALS)) == 1
    await adapter.close()
    async with asyncio.timeout(10):
        while bao.leases(CREDENTIALS):  # noqa: ASYNC110 (the lease tells nobody that it has ended)
            await asyncio.sleep(0.05)


async def test_credentials_end_with_the_token_that_leased_them(bao: OpenBao, vault: Make) -> None:
    adapter = vault(robot(role="brief"))
    (first,) = await adapter.answer([LEASED])
    assert first.life_s <= 3
    assert first.look_s <= 1.5
