"""The leader's certificates on a real control plane: made, mounted, trusted, rotated; no call fails."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.control_plane import ControlPlane
from parts.installed import Installed, Program
from parts.installed_metrics import SERVICE, MetricsApi
from parts.installed_objects import deployment, scaled_object
from parts.installed_webhooks import InstalledWebhooks
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess, redis_program
from parts.server_process import Servers
from parts.tls_parts import mount
from tidegate.operator.certificates.material import Kept
from tidegate.operator.certificates.trust import METRICS_API
from tidegate.runtime.certificates import KeyPair

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

SECRET = "kedaorg-certs"
STEP_S = 12


@pytest.fixture
def metrics(request: pytest.FixtureRequest, installed: Installed, servers: Servers) -> Iterator[MetricsApi]:
    if request.config.getoption("--kubeconfig"):
        pytest.skip("makes users of its own control plane")
    with MetricsApi(installed, servers.get(ControlPlane)) as metrics:
        yield metrics


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


def kept(installed: Installed) -> Kept:
    return Kept.of_secret(installed.get("secret", SECRET).get("data"))


def has_secret(installed: Installed) -> bool:
    return SECRET in installed.kubectl("get", "secret", "-n", installed.namespace, "-o", "name")


class Mounted:
    """Folders that show the Secret as a kubelet would, a moment later."""

    def __init__(self, installed: Installed, *folders: Path) -> None:
        self.installed = installed
        self.folders = folders
        self._last = Kept()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Mounted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(1.0):
            try:
                found = kept(self.installed)
            except AssertionError:
                continue  # it is not there: a mounted one stays as it was
            if found != self._last and found.tls_crt:
                self._last = found
                for folder in self.folders:
                    mount(folder, found.ca_crt, KeyPair(found.tls_crt, found.tls_key))


def operator(metrics: MetricsApi, webhooks: str, *flags: str, **named: Any) -> Program:
    """One that rotates, without a folder of its own: it uses what it makes."""
    return metrics.installed.operator(
        f"--metrics-service-bind-address=127.0.0.1:{metrics.stream_port}",
        f"--cert-dir={metrics.installed.folder / 'nowhere'}",
        f"--validating-webhook-name={webhooks}",
        f"--cert-rotation-step={STEP_S}s",
        *(flags or ("--enable-cert-rotation",)),
    )


def test_all_three_programs_work_on_certificates_that_the_leader_makes_and_rotates(
    metrics: MetricsApi, redis: RedisProcess
) -> None:
    installed = metrics.installed
    redis.call("DEL", "shop")
    redis.call("RPUSH", "shop", *["order"] * 3)
    webhooks = InstalledWebhooks(installed, installed.folder / "webhooks")
    of_metrics, of_webhooks = installed.folder / "of-metrics", installed.folder / "of-webhooks"
    for folder in (of_metrics, of_webhooks):
        folder.mkdir()
    webhooks.folder = of_webhooks
    webhooks.program.arguments = [
        f"--cert-dir={of_webhooks}" if one.startswith("--cert-dir") else one
        for one in webhooks.program.arguments
    ]
    leader = operator(metrics, webhooks.name)
    leader.start()
    installed.until("the Secret is made", lambda: has_secret(installed))
    with Mounted(installed, of_metrics, of_webhooks), webhooks:
        webhooks.register(b"", failure_policy="Ignore")
        server = metrics.server(folder=of_metrics)
        metrics.maker.trust = kept(installed).ca_crt
        server.start()
        metrics.maker.trust = b""  # whom to trust is the leader's to say
        metrics.register(server)
        installed.until("the webhooks are told", lambda: webhooks.trusted == kept(installed).ca_crt)
        webhooks.register(kept(installed).ca_crt, failure_policy="Fail")
        installed.apply(deployment("shop"), scaled_object("shop", redis.address))
        wrong = scaled_object("wrong", redis.address, idleReplicaCount=3, minReplicaCount=2)
        denied = "IdleReplicaCount=3 must be less than MinReplicaCount=2"
        installed.until("it is measured", lambda: metrics.values("s0-redis-shop", "shop") == ["3"])
        assert denied in webhooks.refusal(wrong)

        before = kept(installed)
        installed.patch("secret", SECRET, {"data": {"ca.key": ""}})
        states: list[tuple[int, bool]] = []

        def is_rotated() -> bool:
            # Each call on the way is answered.
            assert metrics.values("s0-redis-shop", "shop") == ["3"]
            assert denied in webhooks.refusal(wrong)
            now = kept(installed)
            state = (len(now.authorities), now.tls_crt == before.tls_crt)
            if state not in states:
                states.append(state)
            return state == (1, False)

        installed.until("the authority is another", is_rotated, 6 * STEP_S)
        assert states[-3:] == [(2, True), (2, False), (1, False)]
        assert before.authorities[0] not in kept(installed).authorities
        for _ in range(10):
            is_rotated()
        spec = installed.get("apiservice", METRICS_API)["spec"]
        assert base64.b64decode(spec["caBundle"]) == kept(installed).ca_crt == webhooks.trusted
        assert leader.is_running
        assert "PRIVATE KEY" not in leader.log()


def test_a_deleted_secret_comes_back_and_a_spoilt_one_is_mended(metrics: MetricsApi) -> None:
    installed = metrics.installed
    leader = operator(metrics, "nobody")
    leader.start()
    installed.until("the Secret is made", lambda: has_secret(installed))
    before = kept(installed)
    installed.kubectl("delete", "secret", "-n", installed.namespace, SECRET)
    installed.until("it is there again", lambda: has_secret(installed))
    assert kept(installed).tls_crt == before.tls_crt
    installed.patch("secret", SECRET, {"data": {"tls.key": base64.b64encode(b"rubbish").decode()}})
    installed.until("its key is good again", lambda: kept(installed).tls_key.startswith(b"-----BEGIN"))
    assert leader.is_running


def test_certificates_of_the_user_are_left_alone(metrics: MetricsApi) -> None:
    installed = metrics.installed
    server = metrics.server()
    operator = metrics.operator()
    operator.start()
    server.start()
    metrics.register(server)
    assert not has_secret(installed)
    spec = installed.get("apiservice", METRICS_API)["spec"]
    assert base64.b64decode(spec["caBundle"]) == metrics.maker.trust
    assert spec["service"]["name"] == SERVICE
