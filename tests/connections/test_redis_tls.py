"""TLS with a real Redis: trust, names, client certificates, encrypted keys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from parts.loopback import missing
from parts.redis_servers import RedisProcess
from tidegate.base.errors import Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.connections.redis.single import SingleConnection
from tidegate.kit.systems.redis import RedisLength, RedisServer
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-tls")]

QUESTION = RedisLength(RedisServer(("any:1",)), "jobs")
HOST = "redis.shop"


@pytest.fixture(scope="module")
def tls_program() -> str:
    """A redis-server that was built with TLS; the one inside the wheel was not."""
    for candidate in ("/usr/bin/redis-server", shutil.which("redis-server")):
        if candidate and Path(candidate).exists():
            libraries = subprocess.run(["ldd", candidate], capture_output=True, text=True, check=False).stdout
            if "libssl" in libraries:
                return candidate
    return missing("no redis-server with TLS: apt install redis-server")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> tuple[str, str]:
    """A client certificate and its key, PEM."""
    leaf = authority.issue_cert("client@shop")
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


@pytest.fixture(scope="module")
def server(
    tls_program: str,
    authority: trustme.CA,
    client: tuple[str, str],
    start_redis: Callable[..., RedisProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> RedisProcess:
    """Redis that speaks TLS alone, as redis.shop, and wants a client certificate."""
    folder = tmp_path_factory.mktemp("tls")
    files = {name: folder / name for name in ("ca.pem", "server.pem", "client.pem")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(files["server.pem"]))
    files["client.pem"].write_text("".join(client))
    server = start_redis(
        "--tls-cert-file", str(files["server.pem"]), "--tls-key-file", str(files["server.pem"]),
        "--tls-ca-cert-file", str(files["ca.pem"]), "--tls-auth-clients", "yes",
        program=tls_program, is_tls=True, ssl=True, ssl_cert_reqs="none", ssl_check_hostname=False,
        ssl_certfile=str(files["client.pem"]), ssl_keyfile=str(files["client.pem"]),
    )  # fmt: skip
    server.call("RPUSH", "jobs", 1, 2, 3)
    return server


async def answer(server: RedisProcess, tls: Tls | None, host: str = HOST) -> Any:
    surroundings = Surroundings(resolve=lambda name: "127.0.0.1", timeout_s=5.0)
    adapter = SingleConnection(RedisServer((f"{host}:{server.port}",), tls=tls), surroundings)
    try:
        return (await adapter.answer([QUESTION]))[0]
    finally:
        await adapter.close()


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


async def test_a_client_with_a_certificate_gets_its_answer(
    server: RedisProcess, authority: trustme.CA, client: tuple[str, str]
) -> None:
    assert await answer(server, Tls(pem(authority), *client)) == 3


async def test_the_key_may_be_encrypted(
    server: RedisProcess, authority: trustme.CA, client: tuple[str, str]
) -> None:
    cert, key = client
    locked = encrypted(key, "hunter2")
    assert await answer(server, Tls(pem(authority), cert, locked, "hunter2")) == 3
    for password in ("", "hunter2-wrong"):
        refused = await answer(server, Tls(pem(authority), cert, locked, password))
        assert isinstance(refused, Misconfigured)
        assert "hunter2" not in str(refused)


async def test_a_client_without_a_certificate_is_not_served(
    server: RedisProcess, authority: trustme.CA
) -> None:
    with pytest.raises(Unreachable):
        await answer(server, Tls(pem(authority)))


async def test_a_certificate_nobody_vouches_for_is_not_trusted(
    server: RedisProcess, client: tuple[str, str]
) -> None:
    with pytest.raises(Unreachable, match=r"certificate is not trusted .*check `ca`"):
        await answer(server, Tls(pem(trustme.CA()), *client))


async def test_an_authority_given_for_one_server_is_trusted_for_no_other(
    server: RedisProcess, authority: trustme.CA, client: tuple[str, str]
) -> None:
    """Two connections of one pool, opened in turn: what the first trusts, the second does not."""
    connections = Connections(Surroundings(resolve=lambda name: "127.0.0.1", timeout_s=5.0))
    address = f"{HOST}:{server.port}"
    knowing = connections.adapter(RedisServer((address,), tls=Tls(pem(authority), *client)))
    other = connections.adapter(RedisServer((address,), tls=Tls("", *client)))
    assert (await knowing.answer([QUESTION]))[0] == 3
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await other.answer([QUESTION])
    assert (await knowing.answer([QUESTION]))[0] == 3
    await knowing.close()
    await other.close()


async def test_a_certificate_for_another_name_is_not_trusted(
    server: RedisProcess, authority: trustme.CA, client: tuple[str, str]
) -> None:
    with pytest.raises(Unreachable, match=r"not valid for 'other\.shop'"):
        await answer(server, Tls(pem(authority), *client), host="other.shop")


async def test_unsafe_accepts_any_certificate_and_name(server: RedisProcess, client: tuple[str, str]) -> None:
    unsafe = Tls(pem(trustme.CA()), *client, is_verified=False)
    assert await answer(server, unsafe, host="other.shop") == 3


async def test_plain_text_to_a_tls_port_is_told(server: RedisProcess) -> None:
    try:
        outcome = await answer(server, None)
    except Unreachable as error:
        outcome = error
    assert isinstance(outcome, Unreachable | Malformed)


def encrypted(key: str, password: str) -> str:
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(key.encode(), None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    ).decode()
