"""The leader's look at the Secret: what it writes, whom it tells, and what others do meanwhile."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parts.memory_client import MemoryClient, Write
from parts.memory_objects import MemoryObjects
from tidegate.kube.resource import API_SERVICES, SECRETS, VALIDATING_WEBHOOKS, ApiError
from tidegate.operator.certificates.material import SETTLE, Kept
from tidegate.operator.certificates.rotation import Place, Rotation
from tidegate.operator.certificates.trust import METRICS_API, Bundles, Trusting
from tidegate.runtime.certificate_files import Material
from tidegate.runtime.certificates import service_names

Object = dict[str, Any]
NAMES = service_names("keda-operator", "keda", "cluster.local")
WHERE = Place("keda", "kedaorg-certs", NAMES)
TRUSTING = Trusting("keda", "keda-metrics-apiserver", "keda-admission")


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


class World:
    def __init__(self) -> None:
        self.clock = Hands()
        self.objects = MemoryObjects(self.clock)
        self.client = self.another_client()
        self.taken: list[Material] = []
        self.rotation = self.leader(self.client)

    def another_client(self) -> MemoryClient:
        return MemoryClient(self.objects, self.clock, (SECRETS, API_SERVICES, VALIDATING_WEBHOOKS))

    def leader(self, client: MemoryClient) -> Rotation:
        bundles = Bundles(client, TRUSTING)  # type: ignore[arg-type]
        return Rotation(client, WHERE, bundles, self.clock, self.taken.append)  # type: ignore[arg-type]

    async def registered(self, namespace: str = "keda", **spec: Any) -> None:
        service = {"namespace": namespace, "name": "keda-metrics-apiserver"}
        await self.objects.create(
            API_SERVICES, {"metadata": {"name": METRICS_API}, "spec": {"service": service, **spec}}
        )
        client = {"service": {"namespace": namespace, "name": "keda-admission-webhooks"}}
        webhooks = [{"name": name, "clientConfig": dict(client)} for name in ("one", "other")]
        await self.objects.create(
            VALIDATING_WEBHOOKS, {"metadata": {"name": "keda-admission"}, "webhooks": webhooks}
        )

    @property
    def kept(self) -> Kept:
        return Kept.of_secret(self.secret["data"])

    @property
    def secret(self) -> Object:
        found = self.objects.get(SECRETS, "keda", "kedaorg-certs")
        assert found is not None
        return found

    async def spoil(self, **data: str) -> None:
        body = self.secret
        body["data"] |= {key.replace("_", "."): text for key, text in data.items()}
        await self.objects.update(SECRETS, body)

    @property
    def told(self) -> set[bytes]:
        """All bundles that somebody trusts."""
        service = self.objects.get(API_SERVICES, "", METRICS_API)
        registered = self.objects.get(VALIDATING_WEBHOOKS, "", "keda-admission")
        assert service is not None
        assert registered is not None
        texts = [service["spec"].get("caBundle", "")]
        texts += [one["clientConfig"].get("caBundle", "") for one in registered["webhooks"]]
        return {base64.b64decode(one) for one in texts}


async def test_a_missing_secret_is_made_and_all_are_told() -> None:
    world = World()
    await world.registered()
    assert await world.rotation.keep() is None
    assert world.secret["type"] == "Opaque"
    assert world.secret["metadata"]["labels"]["app.kubernetes.io/part-of"] == "keda"
    assert world.told == {world.kept.ca_crt}
    assert world.taken[-1].authorities == world.kept.ca_crt
    assert world.taken[-1].pair == world.kept.pair
    writes = len(world.client.writes)
    assert await world.rotation.keep() is None
    assert len(world.client.writes) == writes, "what is good is not written again"


async def test_a_bundle_that_is_reset_is_told_again() -> None:
    world = World()
    await world.registered()
    await world.rotation.keep()
    body = world.objects.get(VALIDATING_WEBHOOKS, "", "keda-admission")
    assert body is not None
    del body["webhooks"][0]["clientConfig"]["caBundle"]
    await world.objects.update(VALIDATING_WEBHOOKS, body)
    await world.rotation.keep()
    assert world.told == {world.kept.ca_crt}


async def test_an_api_service_that_trusted_anybody_trusts_us_alone() -> None:
    world = World()
    await world.registered(insecureSkipTLSVerify=True)
    await world.rotation.keep()
    found = world.objects.get(API_SERVICES, "", METRICS_API)
    assert found is not None
    assert "insecureSkipTLSVerify" not in found["spec"]
    assert world.told == {world.kept.ca_crt}


async def test_what_belongs_to_another_installation_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.registered(namespace="elsewhere")
    for _ in range(3):
        await world.rotation.keep()
    assert world.told == {b""}
    reasons = [vars(one).get("reason") for one in caplog.records]
    assert reasons == [f"APIService {METRICS_API} is not served by keda/keda-metrics-apiserver: left alone"]


async def test_who_may_not_tell_still_makes_certificates(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.registered()

    async def refuse(write: Write) -> None:
        if write.resource == VALIDATING_WEBHOOKS:
            raise ApiError(403, "Forbidden", "you may not")

    world.client.before = refuse
    for _ in range(3):
        await world.rotation.keep()
    assert world.told == {world.kept.ca_crt, b""}
    assert [one.levelname for one in caplog.records if "not told" in one.getMessage()] == ["WARNING"]


async def test_a_rotation_goes_its_steps_and_the_bundles_go_along() -> None:
    world = World()
    await world.registered()
    await world.rotation.keep()
    first = world.kept
    await world.spoil(ca_key="")
    seen = []
    for _ in range(3):
        again = await world.rotation.keep()
        assert world.told == {world.kept.ca_crt}
        seen.append((len(world.kept.authorities), world.kept.tls_crt == first.tls_crt))
        if again is not None:
            assert again - world.clock.moment == SETTLE
            world.clock.moment = again
    assert seen == [(2, True), (2, False), (1, False)]


async def test_a_deleted_secret_is_made_again_while_the_old_certificate_is_still_served() -> None:
    world = World()
    await world.registered()
    await world.rotation.keep()
    first = world.kept
    await world.objects.delete(SECRETS, "keda", "kedaorg-certs")
    world.clock.moment += timedelta(days=1)
    await world.rotation.keep()
    assert world.kept.tls_crt == first.tls_crt
    assert first.ca_crt in world.kept.ca_crt
    assert len(world.kept.authorities) == 2


@pytest.mark.parametrize("verb", ["create", "replace"])
async def test_two_leaders_for_a_moment_end_with_one_set(verb: str) -> None:
    """The other one writes between our reading and our writing."""
    world = World()
    await world.registered()
    other = world.leader(world.another_client())
    if verb == "replace":
        await other.keep()
        await world.rotation.keep()
        await world.spoil(tls_key="")
    interfered = False

    async def interfere(write: Write) -> None:
        nonlocal interfered
        if write.resource == SECRETS and not interfered:
            assert write.verb == verb
            interfered = True
            await other.keep()

    world.client.before = interfere
    await world.rotation.keep()
    assert interfered
    assert world.told == {world.kept.ca_crt}
    assert world.taken[-1].pair == world.kept.pair
    await other.keep()
    assert world.taken[-1].pair == world.kept.pair
    assert len(world.kept.authorities) == 1


async def test_somebody_who_writes_again_and_again_is_told_of_and_not_fought() -> None:
    world = World()
    await world.rotation.keep()

    async def conflict(write: Write) -> None:
        raise ApiError(409, "Conflict", "somebody was faster")

    await world.spoil(tls_crt="")
    world.client.before = conflict
    with pytest.raises(ApiError, match="is written by somebody else, too"):
        await world.rotation.keep()


async def test_other_keys_and_labels_of_the_secret_stay() -> None:
    world = World()
    await world.objects.create(
        SECRETS,
        {
            "metadata": {"name": "kedaorg-certs", "namespace": "keda", "labels": {"team": "a"}},
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": "", "tls.key": "", "mine": "eA=="},
        },
    )
    await world.rotation.keep()
    assert world.secret["data"]["mine"] == "eA=="
    assert world.secret["metadata"]["labels"] == {"team": "a"}
    assert world.kept.tls_crt


async def test_no_key_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.DEBUG):
        await world.rotation.keep()
        await world.spoil(ca_key=base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nAAAA").decode())
        await world.rotation.keep()
    assert "PRIVATE" not in caplog.text + repr([vars(one) for one in caplog.records])
