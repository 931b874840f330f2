"""`tidegate metrics-apiserver` behind the aggregator of a real control plane, whose own HPAs ask it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parts.control_plane import ControlPlane
from parts.installed import Installed
from parts.installed_metrics import GROUP as ROOT
from parts.installed_metrics import MetricsApi, binding
from parts.installed_objects import deployment, replicas, scaled_object
from parts.loopback import free_port
from parts.proxy import Proxy
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess, redis_program
from parts.server_process import Servers
from parts.tls_parts import Maker
from parts.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


@pytest.fixture
def plane(request: pytest.FixtureRequest, servers: Servers) -> ControlPlane:
    if request.config.getoption("--kubeconfig"):
        pytest.skip("makes users of its own control plane")
    return servers.get(ControlPlane)


@pytest.fixture
def metrics(installed: Installed, plane: ControlPlane) -> Iterator[MetricsApi]:
    with MetricsApi(installed, plane) as metrics:
        yield metrics


NO_DELAY = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}


@pytest.fixture
def shop(metrics: MetricsApi, redis: RedisProcess) -> MetricsApi:
    """Three orders wait, and an operator measures them."""
    redis.call("DEL", "shop")
    redis.call("RPUSH", "shop", *["order"] * 3)
    metrics.operator().start()
    metrics.installed.apply(deployment("shop"), scaled_object("shop", redis.address))
    return metrics


def test_the_hpa_controller_scales_from_our_values(metrics: MetricsApi, redis: RedisProcess) -> None:
    installed = metrics.installed
    redis.call("DEL", "shop")
    metrics.operator().start()
    server = metrics.server()
    server.start()
    metrics.register(server)
    metrics.let_hpas_ask()
    scaled = scaled_object("shop", redis.address, minReplicaCount=1, maxReplicaCount=4, advanced=NO_DELAY)
    installed.apply(deployment("shop"), scaled)
    installed.until("one is kept", lambda: replicas(installed, "shop") == 1)
    redis.call("RPUSH", "shop", *["order"] * 18)
    installed.until("four work on 18 orders, five each", lambda: replicas(installed, "shop") == 4)
    assert metrics.values("s0-redis-shop", "shop") == ["18"]
    conditions = {one["type"]: one for one in installed.get("hpa", "keda-hpa-shop")["status"]["conditions"]}
    assert conditions["ScalingActive"]["reason"] == "ValidMetricFound"
    redis.call("DEL", "shop")
    installed.until("one is left", lambda: replicas(installed, "shop") == 1)


def test_the_aggregator_knows_the_group_and_passes_errors_on(shop: MetricsApi) -> None:
    server = shop.server()
    server.start()
    shop.register(server)
    kubectl = shop.installed.kubectl
    listed = json.loads(kubectl("get", "--raw", ROOT))
    assert listed["resources"] == [
        {
            "name": "externalmetrics",
            "singularName": "",
            "namespaced": True,
            "kind": "ExternalMetricValueList",
            "verbs": ["get"],
        }
    ]
    assert "external.metrics.k8s.io/v1beta1" in kubectl("api-versions")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.plain}/metrics", timeout=10) as page:
        assert b"tidegate_metrics_api_operator_up 1" in page.read()
    known = kubectl("api-resources", "--api-group=external.metrics.k8s.io", "--no-headers")
    assert known.split() == [
        "externalmetrics",
        "external.metrics.k8s.io/v1beta1",
        "true",
        "ExternalMetricValueList",
    ]
    # The aggregator takes its time.
    shop.installed.until(
        "our document is found",
        lambda: ROOT.strip("/") in json.loads(kubectl("get", "--raw", "/openapi/v3"))["paths"],
        90,
    )
    document = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/external.metrics.k8s.io/v1beta1"))
    assert f"{ROOT}/namespaces/{{namespace}}/{{metricName}}" in document["paths"]
    shop.installed.until("it is measured", lambda: shop.values("s0-redis-shop", "shop") == ["3"])
    assert shop.values("S0-Redis-Shop", "shop") == ["3"]
    assert "there is no ScaledObject" in shop.refusal("s0-redis-shop", "none")
    assert "no matching metrics found for s1-x" in shop.refusal("s1-x", "shop")
    bare = f"{ROOT}/namespaces/{shop.namespace}/s0-redis-shop"
    assert "scaledObject name is not specified" in kubectl("get", "--raw", bare, check=False)
    of_a_set = f"{bare}?labelSelector=scaledobject.keda.sh/name%20in%20(shop,other)"
    assert "is no equality" in kubectl("get", "--raw", of_a_set, check=False)
    # A namespace is deleted though a group is served by us.
    kubectl("create", "namespace", f"{shop.namespace}-b")
    kubectl("delete", "namespace", f"{shop.namespace}-b", "--timeout=30s")


def test_who_is_not_the_front_proxy_speaks_for_nobody(shop: MetricsApi) -> None:
    server = shop.server()
    server.start()
    keys = shop.plane.keys
    path = shop.path("s0-redis-shop", "shop")
    admin = {"X_Remote_User": "kubernetes-admin", "X_Remote_Group": "system:masters"}

    def of(name: str) -> tuple[Path, Path]:
        return keys.folder / f"{name}.crt", keys.folder / f"{name}.key"

    status, body = server.get(path, of("front-proxy"), **admin)
    assert status == 200, body
    # Nobody without a certificate, whatever the headers say.
    status, body = server.get(path, **admin)
    assert status == 403
    assert isinstance(body, dict)
    assert body["reason"] == "Forbidden"
    assert 'User "system:anonymous" cannot list resource "s0-redis-shop"' in body["message"]
    # The proxy's authority, and another name than the proxy's.
    other = keys.front_proxy.issue_cert("localhost", common_name="somebody-else")
    other.cert_chain_pems[0].write_to_path(shop.installed.folder / "other.crt")
    other.private_key_pem.write_to_path(shop.installed.folder / "other.key")
    pair = (shop.installed.folder / "other.crt", shop.installed.folder / "other.key")
    assert server.get(path, pair, **admin)[0] == 401
    # A client of the cluster is itself, not whom it names.
    keys.issue("stranger", "stranger")
    status, body = server.get(path, of("stranger"), **admin)
    assert isinstance(body, dict)
    assert 'User "stranger" cannot list resource' in body["message"]
    # An authority that nobody has published.
    strange = Maker().pair("front-proxy-client")
    (shop.installed.folder / "strange.crt").write_bytes(strange.certificate)
    (shop.installed.folder / "strange.key").write_bytes(strange.key)
    pair = (shop.installed.folder / "strange.crt", shop.installed.folder / "strange.key")
    assert server.get(path, pair, **admin)[0] == 0


def test_bearers_of_tokens_may_what_roles_say(shop: MetricsApi) -> None:
    server = shop.server()
    server.start()
    kubectl, namespace = shop.installed.kubectl, shop.namespace
    token = kubectl("create", "token", "default", "-n", namespace).strip()
    path = shop.path("s0-redis-shop", "shop")
    assert server.get(path, Authorization="Bearer nonsense")[0] == 401
    status, body = server.get(path, Authorization=f"Bearer {token}")
    assert status == 403
    assert isinstance(body, dict)
    assert f'User "system:serviceaccount:{namespace}:default" cannot list' in body["message"]
    # Rights to this one metric.
    kubectl(
        "create",
        "role",
        "asks",
        "--verb=list",
        "--resource=s0-redis-shop.external.metrics.k8s.io",
        "-n",
        namespace,
        check=False,
    )
    rule = {"apiGroups": ["external.metrics.k8s.io"], "resources": ["s0-redis-shop"], "verbs": ["list"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "asks"}}
    shop.installed.apply({**role, "rules": [rule]})
    kubectl(
        "create",
        "rolebinding",
        "asks",
        "--role=asks",
        f"--serviceaccount={namespace}:default",
        "-n",
        namespace,
    )
    shop.installed.until(
        "a refusal is kept for ten seconds",
        lambda: server.get(path, Authorization=f"Bearer {token}")[0] == 200,
        30,
    )
    assert server.get(shop.path("s1-other", "shop"), Authorization=f"Bearer {token}")[0] == 403
    assert server.get("/apis", Authorization=f"Bearer {token}")[0] == 200
    assert [server.get(one)[0] for one in ("/healthz", "/livez", "/readyz", "/apis")] == [200, 200, 200, 403]


def test_an_operator_that_is_away_is_told_and_one_that_comes_back_is_found(
    metrics: MetricsApi, redis: RedisProcess
) -> None:
    installed = metrics.installed
    redis.call("DEL", "shop")
    redis.call("RPUSH", "shop", *["order"] * 3)
    operator = metrics.operator()
    operator.start()
    installed.apply(deployment("shop"), scaled_object("shop", redis.address, pollingInterval=5))
    server = metrics.server()
    server.start()
    metrics.register(server)
    installed.until("it is measured", lambda: metrics.values("s0-redis-shop", "shop") == ["3"])
    operator.kill()
    installed.until("it is too old", lambda: "is away" in metrics.refusal("s0-redis-shop", "shop"))
    assert "the last value is" in metrics.refusal("s0-redis-shop", "shop")
    redis.call("RPUSH", "shop", "order")
    operator.start()
    installed.until("it is found", lambda: metrics.values("s0-redis-shop", "shop") == ["4"])


async def test_a_stream_that_is_cut_or_stalls_is_opened_again(shop: MetricsApi) -> None:
    proxy = Proxy(shop.stream_port)
    async with proxy.running():
        server = shop.server(operator_port=proxy.port)
        await asyncio.to_thread(server.start)
        pair = (shop.plane.keys.folder / "admin.crt", shop.plane.keys.folder / "admin.key")

        def values() -> list[str]:
            status, body = server.get(shop.path("s0-redis-shop", "shop"), pair)
            return [one["value"] for one in body["items"]] if isinstance(body, dict) and status == 200 else []

        await until_told(values, ["3"])
        for opened in (2, 3, 4):
            proxy.cut()
            await until(lambda: proxy.connections >= opened, 20)  # noqa: B023
            await until_told(values, ["3"])
        proxy.mode = "stall"
        # Nothing too old is told meanwhile; the heartbeat notices.
        await until_told(values, [])
        proxy.mode = "pass"
        await until_told(values, ["3"])


async def until_told(values: Callable[[], list[str]], wanted: list[str]) -> None:
    for _ in range(300):
        if await asyncio.to_thread(values) == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never {wanted}")


def test_a_certificate_for_another_service_follows_nothing(shop: MetricsApi) -> None:
    server = shop.server(folder=shop.certificates("other", shop.maker, "keda-admission-webhooks"))
    server.start()
    pair = (shop.plane.keys.folder / "admin.crt", shop.plane.keys.folder / "admin.key")
    status, body = server.get(shop.path("s0-redis-shop", "shop"), pair)
    assert status == 500
    assert isinstance(body, dict)
    assert f"the client certificate is not for keda-metrics-apiserver.{shop.namespace}.svc" in body["message"]


def test_two_metrics_api_servers_and_two_operators(metrics: MetricsApi, redis: RedisProcess) -> None:
    installed = metrics.installed
    redis.call("DEL", "shop")
    redis.call("RPUSH", "shop", *["order"] * 3)
    first = metrics.operator("--leader-elect")
    first.start()
    installed.apply(deployment("shop"), scaled_object("shop", redis.address))
    second_port = free_port()
    second = metrics.operator("--leader-elect", port=second_port)
    second.start()
    servers = [metrics.server(), metrics.server()]
    for server in servers:
        server.start()
    pair = (metrics.plane.keys.folder / "admin.crt", metrics.plane.keys.folder / "admin.key")
    path = metrics.path("s0-redis-shop", "shop")
    for server in servers:
        installed.until("it is told", lambda: server.get(path, pair)[0] == 200)  # noqa: B023
    standby = metrics.server(operator_port=second_port)
    standby.start()
    _, body = standby.get(path, pair)
    assert isinstance(body, dict)
    assert "this replica stands by, and" in body["message"]
    first.stop()
    installed.until("the second leads", lambda: standby.get(path, pair)[0] == 200)


def test_an_object_is_explained_to_who_may_get_it_by_any_way_into_the_cluster(shop: MetricsApi) -> None:
    server = shop.server()
    server.start()
    shop.register(server)
    installed, keys = shop.installed, shop.plane.keys
    keys.issue("viewer", "viewer")
    kubeconfig = keys.kubeconfig("viewer.kubeconfig", shop.plane.url, **keys.of_client("viewer"))

    def explained() -> str:
        command = [sys.executable, "-m", "tidegate.cli.main", "explain", "so/shop", "-n", shop.namespace]
        told = subprocess.run(
            [*command, f"--kubeconfig={kubeconfig}"], capture_output=True, text=True, timeout=60
        )
        return told.stdout + told.stderr

    assert 'cannot get resource "explainedscaledobjects"' in explained()
    rules = [{"apiGroups": ["explain.tidegate.dev"], "resources": ["*"], "verbs": ["get"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "views"}}
    bound = binding("RoleBinding", "views", "views", "viewer")
    installed.apply({**role, "rules": rules}, bound)
    # The way is open, and the object is not theirs to see.
    installed.until("it is refused", lambda: 'cannot get resource "scaledobjects"' in explained())
    rules.append({"apiGroups": ["keda.sh"], "resources": ["scaledobjects"], "verbs": ["get"]})
    installed.apply({**role, "rules": rules})
    installed.until("it is explained", lambda: "s0-redis-shop: 3" in explained())
    raw = installed.kubectl("get", "explainedscaledobject", "shop", "-n", shop.namespace, "-o", "json")
    assert json.loads(raw)["kind"] == "ExplainedScaledObject"
    missing = installed.kubectl("get", "explainedscaledobject", "shoe", "-n", shop.namespace, check=False)
    assert "did you mean shop?" in missing
