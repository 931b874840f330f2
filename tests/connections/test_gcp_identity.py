"""Identities of Google, against a fake over TLS that is written from Google's documentation."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parts import faults
from parts.google_identity import PROOF, SECRET, IdentityFake, files
from parts.google_tls import over_tls
from parts.http_server import HttpFake, answering
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.identities import Ground, Identities
from tidegate.connections.tls_policy import TlsPolicy
from tidegate.kit.identity import Identity
from tidegate.kit.systems.gcp import read_account

GOOGLE = Identity("gcp")
READ = "https://www.googleapis.com/auth/monitoring.read"
WRITE = "https://www.googleapis.com/auth/pubsub"
WAYS = {
    "key": "key",
    "user": "user",
    "pool by file": "sts",
    "pool by url": "sts",
    "pool by aws": "sts",
    "pool as account": "as-sts",
    "as account": "as-user",
}


@dataclass
class Scene:
    """A cloud over TLS, and the folder where a program finds its files."""

    cloud: IdentityFake
    fake: HttpFake
    folder: Path
    trust: TlsPolicy

    def environment(self, kind: str, **changes: Any) -> dict[str, str]:
        """The program's, where its credentials are of this kind."""
        proof = self.folder / "proof"
        proof.write_text(PROOF)
        path = self.folder / "credentials.json"
        path.write_text(json.dumps({**files(self.fake.origin, str(proof))[kind], **changes}))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}

    @asynccontextmanager
    async def identities(self, environment: Mapping[str, str], **fields: Any) -> AsyncIterator[Identities]:
        around = Surroundings(**{"timeout_s": 10, "tls": self.trust, **fields})
        identities = Identities(Ground(around, environment))
        try:
            yield identities
        finally:
            await identities.close()
            await identities.close()

    async def told(self, environment: Mapping[str, str], **fields: Any) -> TidegateError:
        """The error that is all there is."""
        async with self.identities(environment, **fields) as identities:
            try:
                token = await identities.token(GOOGLE, READ)
            except TidegateError as error:
                return error
        raise AssertionError(f"a token came: {token}")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    cloud = IdentityFake()
    async with over_tls(cloud.answer) as (fake, around):
        yield Scene(cloud, fake, tmp_path, around["tls"])


@asynccontextmanager
async def machine(**fields: Any) -> AsyncIterator[tuple[IdentityFake, dict[str, str]]]:
    """A metadata server, which speaks no TLS, and the environment that names it."""
    cloud = IdentityFake(**fields)
    async with answering(cloud.answer) as fake:
        yield cloud, {"GCE_METADATA_HOST": f"127.0.0.1:{fake.port}"}


def texts(error: TidegateError) -> str:
    return f"{error} {error!r} {error.excerpt} {error.__cause__!r}"


# --- where they come from


@pytest.mark.parametrize("kind", list(WAYS))
async def test_a_file_of_each_type_comes_to_a_token_for_the_scope(scene: Scene, kind: str) -> None:
    async with scene.identities(scene.environment(kind)) as identities:
        token = await identities.token(GOOGLE, READ)
    scope, way = scene.cloud.granted[token]
    assert way == WAYS[kind]
    assert scope == ("" if kind == "user" else READ)


async def test_the_login_of_gcloud_is_found_where_gcloud_puts_it(scene: Scene) -> None:
    written = scene.environment("user")["GOOGLE_APPLICATION_CREDENTIALS"]
    home = scene.folder / ".config/gcloud"
    home.mkdir(parents=True)
    os.rename(written, home / "application_default_credentials.json")
    for environment in ({"HOME": str(scene.folder)}, {"CLOUDSDK_CONFIG": str(home), "HOME": "/nowhere"}):
        async with scene.identities(environment) as identities:
            assert scene.cloud.granted[await identities.token(GOOGLE, READ)][1] == "user"


async def test_without_a_file_the_machine_says_who_it_is(scene: Scene) -> None:
    async with machine() as (cloud, environment), scene.identities(environment) as identities:
        token = await identities.token(GOOGLE, READ)
        assert cloud.granted == {token: (READ, "machine")}


async def test_a_machine_is_asked_even_where_triggers_may_not_ask_it(scene: Scene) -> None:
    async with (
        machine() as (_cloud, environment),
        scene.identities(
            environment, policy=AddressPolicy.on_a_cluster(), proxy_of=lambda url: "http://127.0.0.1:1"
        ) as identities,
    ):
        assert await identities.token(GOOGLE, READ)


async def test_a_key_of_a_trigger_names_no_token_server_that_triggers_may_not_ask(scene: Scene) -> None:
    account = read_account(json.dumps(files(scene.fake.origin)["key"]))
    async with scene.identities({}, policy=AddressPolicy.on_a_cluster()) as identities:
        with pytest.raises(Misconfigured, match="the autoscaler's own loopback"):
            await identities.token(account, READ)
    async with scene.identities({}) as identities:
        assert await identities.token(account, READ)


# --- projects


@pytest.mark.parametrize(
    ("kind", "environment", "project", "billed"),
    [
        ("key", {}, "shop-prod", ""),
        ("user", {}, "shop-billing", "shop-billing"),
        ("pool by file", {"GOOGLE_CLOUD_PROJECT": "p-2"}, "p-2", ""),
        ("key", {"CLOUDSDK_CORE_PROJECT": "p-1", "GOOGLE_CLOUD_PROJECT": "p-2"}, "p-1", ""),
        ("user", {"GOOGLE_CLOUD_QUOTA_PROJECT": "p-3"}, "shop-billing", "p-3"),
    ],
)
async def test_environment_and_credentials_name_the_project_and_who_pays(
    scene: Scene, kind: str, environment: dict[str, str], project: str, billed: str
) -> None:
    async with scene.identities({**scene.environment(kind), **environment}) as identities:
        assert await identities.project(GOOGLE) == project
        assert await identities.billed(GOOGLE) == billed
    assert scene.cloud.paths == []


async def test_a_machine_names_its_project(scene: Scene) -> None:
    async with machine() as (_cloud, environment), scene.identities(environment) as identities:
        assert await identities.project(GOOGLE) == "shop-machine"
        assert await identities.billed(GOOGLE) == ""


async def test_a_federation_knows_no_project(scene: Scene) -> None:
    async with scene.identities(scene.environment("pool by file")) as identities:
        with pytest.raises(Misconfigured, match="name the project in the trigger"):
            await identities.project(GOOGLE)


# --- what it costs


async def test_a_thousand_who_ask_are_one_request_for_each_scope(scene: Scene) -> None:
    async with scene.identities(scene.environment("user")) as identities:
        asked = [identities.token(GOOGLE, (READ, WRITE)[number % 2]) for number in range(1000)]
        assert len(set(await asyncio.gather(*asked))) == 2
    assert scene.cloud.paths == ["/token"] * 2


async def test_equal_keys_are_one_request_whoever_holds_them(scene: Scene) -> None:
    text = json.dumps(files(scene.fake.origin)["key"])
    async with scene.identities({}) as identities:
        asked = [identities.token(read_account(text), READ) for _ in range(1000)]
        assert len(set(await asyncio.gather(*asked))) == 1
    assert scene.cloud.paths == ["/token"]


async def test_a_token_that_was_refused_is_fetched_anew_with_what_the_file_says_now(scene: Scene) -> None:
    async with scene.identities(scene.environment("user")) as identities:
        token = await identities.token(GOOGLE, READ)
        identities.forget(GOOGLE, READ, token)
        scene.cloud.refresh = f"rotated-{SECRET}"
        scene.environment("user", refresh_token=scene.cloud.refresh)
        assert await identities.token(GOOGLE, READ) != token


@pytest.mark.parametrize("kind", ["key", "pool as account", "as account"])
@pytest.mark.parametrize("ahead_s", [600.0, -600.0])
async def test_clocks_that_differ_by_ten_minutes_still_come_to_a_token(
    scene: Scene, kind: str, ahead_s: float
) -> None:
    scene.cloud.ahead_s = ahead_s
    async with scene.identities(scene.environment(kind)) as identities:
        assert await identities.token(GOOGLE, READ) in scene.cloud.granted
        await identities.token(GOOGLE, READ)
    assert scene.cloud.paths.count("/token") == {"key": 2, "pool as account": 0, "as account": 1}[kind]


# --- refusals


@pytest.mark.parametrize(
    ("kind", "path", "step"),
    [
        ("key", "/token", "check that the account and its key exist"),
        ("user", "/token", "gcloud auth application-default login"),
        ("pool by file", "/sts", "check the pool's provider, its audience, and that it admits this workload"),
        ("pool by url", "/subject", "check the pool's provider"),
        ("pool by aws", "/role", "check the pool's provider"),
        ("pool as account", "/v1/", "check the pool's provider"),
        ("as account", "/v1/", "role Service Account Token Creator"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 429, 503])
async def test_a_refusal_is_told_without_a_secret_and_asked_once(
    scene: Scene, kind: str, path: str, step: str, status: int
) -> None:
    scene.cloud.refuses[path] = status, "invalid_grant"
    error = await scene.told(scene.environment(kind))
    assert isinstance(error, Denied if status < 429 else Unreachable)
    assert f"{status} " in str(error)
    if isinstance(error, Denied):
        assert step in str(error)
        assert "(invalid_grant)" in str(error)
    if isinstance(error, Unreachable) and status == 429:
        assert error.retry_after_s == 7
    assert SECRET not in texts(error)
    assert len([one for one in scene.cloud.paths if one.startswith(path)]) == 1


@pytest.mark.parametrize("kind", list(WAYS))
@pytest.mark.parametrize("body", [{}, [], {"access_token": "", "accessToken": ""}, {"access_token": 5}, "x"])
async def test_an_answer_without_a_token_is_malformed(scene: Scene, kind: str, body: Any) -> None:
    path = "/v1/projects/-/serviceAccounts/tidegate@shop-prod.iam.gserviceaccount.com:generateAccessToken"
    last = path if kind.endswith("as account") else "/sts" if kind.startswith("pool") else "/token"
    scene.cloud.says[last] = body
    error = await scene.told(scene.environment(kind))
    assert isinstance(error, Malformed), error
    assert SECRET not in texts(error)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("user", {"refresh_token": f"old-{SECRET}"}),
        ("pool by file", {"audience": "//iam.googleapis.com/other"}),
        ("pool by url", {"credential_source": {"url": "{origin}/subject", "headers": {"X-Key": "no"}}}),
    ],
)
async def test_what_is_revoked_or_for_another_audience_is_denied(
    scene: Scene, kind: str, changes: dict[str, Any]
) -> None:
    written = json.loads(json.dumps(changes).replace("{origin}", scene.fake.origin))
    error = await scene.told(scene.environment(kind, **written))
    assert isinstance(error, Denied)
    assert SECRET not in texts(error)


@pytest.mark.parametrize(
    ("kind", "changes", "answer"),
    [
        ("key", {"private_key": SECRET}, "private_key is no RSA key"),
        ("key", {"client_email": ""}, "has no client_email"),
        ("user", {"refresh_token": None}, "have no refresh_token"),
        ("user", {"type": SECRET}, "of a type that is not known"),
        ("pool by file", {"credential_source": {"file": "/nowhere/token"}}, "cannot be used (RefreshError)"),
        ("pool by file", {"credential_source": {}}, "cannot be used"),
        ("pool by file", {"credential_source": {"executable": {"command": SECRET}}}, "by a program is not"),
        ("as account", {"source_credentials": SECRET}, "no source_credentials"),
        ("as account", {"service_account_impersonation_url": SECRET}, "is not an absolute URL"),
        ("as account", {"delegates": SECRET}, "delegates that are no list"),
    ],
)
async def test_credentials_that_cannot_be_used_are_told(
    scene: Scene, kind: str, changes: dict[str, Any], answer: str
) -> None:
    error = await scene.told(scene.environment(kind, **changes))
    assert isinstance(error, Misconfigured | Unsupported)
    assert answer in str(error)
    assert SECRET not in texts(error)
    assert scene.cloud.paths == []


@pytest.mark.parametrize(
    ("text", "answer"), [("{", "no JSON"), ("[]", 'with a "type"'), (None, "no such file")]
)
async def test_a_file_that_is_none_is_told(scene: Scene, text: str | None, answer: str) -> None:
    path = scene.folder / "credentials.json"
    if text is not None:
        path.write_text(text)
    error = await scene.told({"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    assert isinstance(error, Misconfigured)
    assert answer in str(error)
    assert str(path) in str(error)


@pytest.mark.parametrize("status", [403, 404, 429, 503])
async def test_a_machine_that_gives_no_token_is_told(scene: Scene, status: int) -> None:
    async with machine(refuses={"/computeMetadata": (status, "")}) as (_cloud, environment):
        error = await scene.told(environment)
    assert isinstance(error, Denied if status < 429 else Unreachable)
    assert f"{status} " in str(error)
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in str(error)


async def test_where_there_is_no_machine_the_ways_to_log_in_are_told(scene: Scene) -> None:
    for environment in ({"GCE_METADATA_HOST": faults.NOWHERE}, {"GCE_METADATA_HOST": "127.0.0.1:1"}):
        error = await scene.told(environment)
        assert isinstance(error, Unreachable)
        assert "gcloud auth application-default login" in str(error)
    async with machine(flavor="") as (_cloud, environment):
        assert "it is not Google's" in str(await scene.told(environment))


@pytest.mark.parametrize("kind", ["key", "user", "pool by url", "as account"])
@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_token_server_is_unreachable(scene: Scene, kind: str, fault: Any) -> None:
    async with fault() as bad:
        environment = scene.environment(kind)
        path = scene.folder / "credentials.json"
        path.write_text(path.read_text().replace(scene.fake.origin, f"http://{bad.address}"))
        error = await scene.told(environment, timeout_s=0.5)
    assert isinstance(error, Unreachable | Malformed)
    assert SECRET not in texts(error)


async def test_a_token_server_whose_certificate_nobody_signed_gets_no_secret(scene: Scene) -> None:
    error = await scene.told(scene.environment("user"), tls=TlsPolicy())
    assert isinstance(error, Unreachable)
    assert "not trusted" in str(error)
    assert scene.fake.requests == []
