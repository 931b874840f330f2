"""Tokens of Azure's identities, from an Entra ID of ours that is written from Microsoft's documentation."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from parts.entra_fake import CLIENT, TENANT, Entra, entra
from parts.http_server import answering, says
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.grants import Granted
from tidegate.connections.http.client import HttpClient
from tidegate.kit.identity import AnyIdentity, Identity, IdentityToken, ServicePrincipal
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer

VAULT = "https://vault.azure.net/.default"
STORAGE = "https://storage.azure.com/.default"
SECRET = "hunter2-hunter2"
WORKLOAD = Identity("azure-workload")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("federated-1\n")
    return path


def writes(path: Path, text: str) -> None:
    path.write_text(text)


def calls_of(laptop: dict[str, str]) -> list[str]:
    calls = Path(laptop["AZ_CALLS"])
    return calls.read_text().splitlines() if calls.exists() else []


async def error_of(
    fake: Entra,
    identity: AnyIdentity,
    environment: Mapping[str, str],
    account_token: Any = None,
    **around: Any,
) -> TidegateError:
    async with fake.logging_in(environment, account_token, **around) as surroundings:
        assert surroundings.identities is not None
        with pytest.raises(TidegateError) as caught:
            await surroundings.identities.token(identity, VAULT)
    return caught.value


def certificate(key: Any = None) -> tuple[x509.Certificate, Any]:
    key = key or rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()), key


def pem(key: Any, password: str = "") -> str:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(*form, closing(password)).decode())


def closing(password: str) -> serialization.KeySerializationEncryption:
    if not password:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(password.encode())


async def test_a_thousand_triggers_with_one_identity_make_one_token_request(token_file: Path) -> None:
    async with entra() as fake, fake.logging_in(fake.environment(str(token_file))) as around:
        assert around.identities is not None
        asked = [around.identities.token(WORKLOAD, VAULT) for _ in range(1000)]
        assert len(set(await asyncio.gather(*asked))) == 1
        await around.identities.token(WORKLOAD, STORAGE)
        assert [form["scope"] for form in fake.forms] == [VAULT, STORAGE]


async def test_the_token_of_the_pod_is_read_anew_for_each_token(token_file: Path) -> None:
    async with entra() as fake, fake.logging_in(fake.environment(str(token_file))) as around:
        assert around.identities is not None
        await around.identities.token(WORKLOAD, VAULT)
        fake.federated = {"federated-2"}
        writes(token_file, "federated-2")
        await around.identities.token(WORKLOAD, STORAGE)
        assert [form["client_assertion"] for form in fake.forms] == ["federated-1", "federated-2"]


async def test_a_manifest_names_another_client_and_tenant(token_file: Path) -> None:
    named = Identity("azure-workload", client_id=CLIENT, tenant_id=TENANT)
    async with entra() as fake:
        environment = {
            "AZURE_CLIENT_ID": "another",
            "AZURE_TENANT_ID": "another",
            "AZURE_AUTHORITY_HOST": fake.origin,
            "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
        }
        async with fake.logging_in(environment) as around:
            assert around.identities is not None
            assert await around.identities.token(named, VAULT)
        assert "AADSTS90002" in str(await error_of(fake, WORKLOAD, environment))


async def test_the_proof_of_the_pod_is_shown_to_azures_authorities_alone(token_file: Path) -> None:
    async with entra() as fake, entra() as thief:
        elsewhere = Identity("azure-workload", authority_host=thief.origin)
        error = await error_of(fake, elsewhere, fake.environment(str(token_file)))
        assert isinstance(error, Misconfigured)
        assert "no authority of Azure's" in error.answer
        assert thief.forms == []


async def test_a_named_service_account_proves_itself() -> None:
    asked: list[tuple[str, str, str]] = []

    async def account_token(namespace: str, name: str, audience: str) -> Granted[str]:
        asked.append((namespace, name, audience))
        return Granted("federated-1", 600.0)

    named = Identity("azure-workload", service_account="shop/orders")
    async with entra() as fake:
        async with fake.logging_in(fake.environment(), account_token) as around:
            assert around.identities is not None
            assert await around.identities.token(named, VAULT)
        assert asked == [("shop", "orders", "api://AzureADTokenExchange")]
        assert isinstance(await error_of(fake, named, fake.environment()), Unsupported)


async def test_an_application_shows_its_secret() -> None:
    async with entra() as fake:
        fake.secrets = {SECRET}
        who = ServicePrincipal(CLIENT, TENANT, secret=SECRET, authority_host=fake.origin)
        async with fake.logging_in({}) as around:
            assert around.identities is not None
            assert await around.identities.token(who, VAULT)
        assert [form["client_id"] for form in fake.forms] == [CLIENT]


@pytest.mark.parametrize(
    "form", ["certificate first", "key first", "closed key", "PKCS #12", "closed PKCS #12"]
)
async def test_an_application_signs_with_its_certificate(form: str) -> None:
    found, key = certificate()
    text = found.public_bytes(serialization.Encoding.PEM).decode()
    password = "pass-word" if "closed" in form else ""
    if "PKCS" in form:
        packed = pkcs12.serialize_key_and_certificates(b"a", key, found, None, closing(password))
        text = base64.b64encode(packed).decode()
    else:
        text = pem(key, password) + text if form == "key first" else text + pem(key, password)
    async with entra() as fake:
        fake.certificate = found
        who = ServicePrincipal(
            CLIENT, TENANT, certificate=text, certificate_password=password, authority_host=fake.origin
        )
        async with fake.logging_in({}) as around:
            assert around.identities is not None
            assert await around.identities.token(who, VAULT)


@pytest.mark.parametrize("skew_s", [-600.0, 600.0, 7200.0])
async def test_a_clock_that_is_wrong_is_noticed_and_allowed_for(skew_s: float) -> None:
    found, key = certificate()
    async with entra() as fake:
        fake.certificate, fake.skew_s = found, skew_s
        text = found.public_bytes(serialization.Encoding.PEM).decode() + pem(key)
        who = ServicePrincipal(CLIENT, TENANT, certificate=text, authority_host=fake.origin)
        async with fake.logging_in({}) as around:
            assert around.identities is not None
            assert await around.identities.token(who, VAULT)
            before = len(fake.forms)
            assert await around.identities.token(who, STORAGE)
            assert len(fake.forms) == before + 1


async def test_another_certificate_is_refused() -> None:
    (found, _), (other, key) = certificate(), certificate()
    async with entra() as fake:
        fake.certificate = found
        text = other.public_bytes(serialization.Encoding.PEM).decode() + pem(key)
        who = ServicePrincipal(CLIENT, TENANT, certificate=text, authority_host=fake.origin)
        error = await error_of(fake, who, {})
        assert isinstance(error, Denied)
        assert "AADSTS700027" in error.answer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot be read"),
        ("nonsense", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        ("an elliptic one", "is not RSA"),
    ],
)
async def test_what_is_no_certificate_with_a_key_says_so(text: str, told: str) -> None:
    if text.startswith("an"):
        found, key = certificate(ec.generate_private_key(ec.SECP256R1()))
        text = found.public_bytes(serialization.Encoding.PEM).decode() + pem(key)
    async with entra() as fake:
        who = ServicePrincipal(CLIENT, TENANT, certificate=text, authority_host=fake.origin)
        error = await error_of(fake, who, {})
        assert isinstance(error, Misconfigured)
        assert told in error.answer


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"federated": {"another"}}, "AADSTS700213"),
        ({"audiences": {STORAGE}}, "AADSTS500011"),
    ],
)
async def test_of_a_refusal_the_code_alone_is_told(
    changes: dict[str, Any], code: str, token_file: Path
) -> None:
    async with entra() as fake:
        for name, value in changes.items():
            setattr(fake, name, value)
        error = await error_of(fake, WORKLOAD, fake.environment(str(token_file)))
        assert isinstance(error, Denied)
        assert error.answer.endswith(f"({code})")
        assert "refused:" not in f"{error}{error.excerpt}"
        assert "federated-1" not in f"{error}{error.excerpt}"


async def test_a_wrong_secret_is_in_no_text() -> None:
    async with entra() as fake:
        who = ServicePrincipal(CLIENT, TENANT, secret=SECRET, authority_host=fake.origin)
        error = await error_of(fake, who, {})
        assert isinstance(error, Denied)
        assert "AADSTS7000215" in error.answer
        assert SECRET not in f"{error}{error.excerpt}{who!r}{error.__dict__}"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no AZURE_TENANT_ID and no AZURE_CLIENT_ID"),
        ({"AZURE_TENANT_ID": TENANT}, "no AZURE_CLIENT_ID"),
        ({"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}, "no AZURE_FEDERATED_TOKEN_FILE"),
        (
            {
                "AZURE_TENANT_ID": TENANT,
                "AZURE_CLIENT_ID": CLIENT,
                "AZURE_FEDERATED_TOKEN_FILE": "/nowhere/token",
            },
            "cannot be read (no such file or directory)",
        ),
        (
            {
                "AZURE_TENANT_ID": "a/b?c",
                "AZURE_CLIENT_ID": CLIENT,
                "AZURE_FEDERATED_TOKEN_FILE": "/nowhere/token",
            },
            "the tenant is none",
        ),
    ],
)
async def test_what_is_missing_is_named(environment: dict[str, str], told: str) -> None:
    async with entra() as fake:
        error = await error_of(fake, WORKLOAD, environment)
        assert isinstance(error, Misconfigured)
        assert told in error.answer


async def test_a_throttled_tenant_is_left_alone(token_file: Path) -> None:
    async with entra() as fake, fake.logging_in(fake.environment(str(token_file))) as around:
        assert around.identities is not None
        fake.throttled_s = 60
        for _ in range(5):
            with pytest.raises(Unreachable) as caught:
                await around.identities.token(WORKLOAD, VAULT)
            assert caught.value.retry_after_s == 60
        assert len(fake.forms) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<html>", 200),
        ({}, 200),
        ({"access_token": ["a"]}, 200),
        ("[]", 200),
        ("no", 404),
        ({"error": 7}, 400),
    ],
)
async def test_what_is_no_token_is_malformed(body: object, status: int, token_file: Path) -> None:
    async with entra() as fake, answering(says(body, status), tls=fake.tls()) as other:
        environment = fake.environment(str(token_file)) | {"AZURE_AUTHORITY_HOST": other.origin}
        error = await error_of(fake, WORKLOAD, environment)
        assert isinstance(error, Malformed)


@pytest.mark.parametrize("said", [0.4, "0.4"])
async def test_a_token_of_a_short_life_is_replaced_when_it_ends(said: object, token_file: Path) -> None:
    count = 0

    async def numbered(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.json_response({"access_token": f"token-{count}", "expires_in": said})

    async with entra() as fake, answering(numbered, tls=fake.tls()) as other:
        environment = fake.environment(str(token_file)) | {"AZURE_AUTHORITY_HOST": other.origin}
        async with fake.logging_in(environment) as around:
            assert around.identities is not None
            assert await around.identities.token(WORKLOAD, VAULT) == "token-1"
            await asyncio.sleep(0.5)
            assert await around.identities.token(WORKLOAD, VAULT) == "token-2"


@pytest.mark.parametrize("said", [-5, 0, None, "Infinity", "NaN"])
async def test_an_end_that_cannot_be_is_no_end_at_once(said: object, token_file: Path) -> None:
    async with entra() as fake:
        body = {"access_token": "token-1"} | ({"expires_in": said} if said is not None else {})
        async with answering(says(body), tls=fake.tls()) as other:
            environment = fake.environment(str(token_file)) | {"AZURE_AUTHORITY_HOST": other.origin}
            async with fake.logging_in(environment) as around:
                assert around.identities is not None
                for _ in range(3):
                    assert await around.identities.token(WORKLOAD, VAULT) == "token-1"
                assert len(other.requests) == 1


async def test_nobody_there_is_unreachable(token_file: Path) -> None:
    async with entra() as fake:
        environment = fake.environment(str(token_file)) | {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:1"}
        assert isinstance(await error_of(fake, WORKLOAD, environment), Unreachable)


async def test_an_authority_is_asked_by_https_alone(token_file: Path) -> None:
    async with entra() as fake:
        environment = fake.environment(str(token_file)) | {"AZURE_AUTHORITY_HOST": "http://127.0.0.1:1"}
        assert "not asked by https" in str(await error_of(fake, WORKLOAD, environment))


AZ = """#!/bin/sh
echo "$@" >> "$AZ_CALLS"
[ -f "$AZ_CALLS.out" ] || { echo "Please run az login, hunter2" >&2; exit 1; }
cat "$AZ_CALLS.out"
"""


@pytest.fixture
def laptop(tmp_path: Path) -> dict[str, str]:
    """An environment whose `az` writes down how it was called, and prints `calls.out`."""
    program = tmp_path / "az"
    program.write_text(AZ)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AZ_CALLS": str(tmp_path / "calls")}


async def test_on_a_laptop_the_users_own_login_is_used(laptop: dict[str, str]) -> None:
    ends = int(time.time()) + 3000
    writes(Path(laptop["AZ_CALLS"] + ".out"), f'{{"accessToken": "mine", "expires_on": {ends}}}')
    named = Identity("azure-workload", tenant_id=TENANT)
    async with entra() as fake, fake.logging_in(laptop) as around:
        assert around.identities is not None
        assert set(await asyncio.gather(*(around.identities.token(WORKLOAD, VAULT) for _ in range(50)))) == {
            "mine"
        }
        await around.identities.token(named, VAULT)
        assert fake.forms == []
    plain = f"account get-access-token --output json --scope {VAULT}"
    assert calls_of(laptop) == [plain, f"{plain} --tenant {TENANT}"]


async def test_whoever_is_not_logged_in_is_told_how(laptop: dict[str, str]) -> None:
    async with entra() as fake:
        error = await error_of(fake, WORKLOAD, laptop)
        assert isinstance(error, Denied)
        assert "az login" in error.next_step
        assert "hunter2" not in str(error)
        writes(Path(laptop["AZ_CALLS"] + ".out"), "nonsense")
        assert isinstance(await error_of(fake, WORKLOAD, laptop), Malformed)


async def test_in_a_pod_its_own_token_comes_before_az(laptop: dict[str, str], token_file: Path) -> None:
    async with entra() as fake, fake.logging_in(laptop | fake.environment(str(token_file))) as around:
        assert around.identities is not None
        await around.identities.token(WORKLOAD, VAULT)
        assert len(fake.forms) == 1
        assert calls_of(laptop) == []


# --- a server whose login is an identity


async def well(request: web.Request) -> web.StreamResponse:
    return web.Response(text="well")


def server(origin: str) -> HttpServer:
    return HttpServer(origin, HttpLogin(token=IdentityToken(WORKLOAD, VAULT)), name="a vault")


async def test_requests_carry_the_token_and_a_revoked_one_is_replaced_once(token_file: Path) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(str(token_file))) as around,
        fake.service(VAULT, well) as vault,
    ):
        client = HttpClient(server(vault.origin), around)
        request = HttpRequest(client.server, "/secret")
        assert {(await client.send(request)).status for _ in range(20)} == {200}
        assert len(fake.issued) == 1
        fake.revoke()
        answers = await asyncio.gather(*(client.send(request) for _ in range(20)))
        assert {one.status for one in answers} == {200}
        assert len(fake.issued) == 2
        await client.close()


async def test_a_service_that_takes_no_token_costs_two_of_them(token_file: Path) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(str(token_file))) as around,
        fake.service("another audience", well) as vault,
    ):
        client = HttpClient(server(vault.origin), around)
        request = HttpRequest(client.server, "/secret")
        answers = [await client.send(request) for _ in range(20)]
        assert {one.status for one in answers} == {401}
        assert len(fake.issued) == 2
        assert not any(token in answers[0].body.decode() for token in fake.issued)
        await client.close()


async def test_a_token_goes_over_https_alone(token_file: Path) -> None:
    async with (
        entra() as fake,
        fake.logging_in(fake.environment(str(token_file))) as around,
        answering(well) as plain,
    ):
        client = HttpClient(server(plain.origin), around)
        with pytest.raises(Misconfigured, match="https alone"):
            await client.send(HttpRequest(client.server, "/secret"))
        assert plain.requests == []
        assert fake.forms == []
