"""What files name and do not hold: told with field and line, once for each object."""

from __future__ import annotations

import pytest

from tidegate.cli.manifests.files import parse
from tidegate.cli.manifests.needs.addresses import hosts_in, service_of
from tidegate.cli.manifests.needs.lacking import Lacking
from tidegate.cli.manifests.remarks import Remark
from tidegate.kube.resource import NAMESPACES, SECRETS

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: a{meta}}}
spec:
  {more}
  containers: [{{name: c, image: busybox, command: [sh]{container}}}]
"""
CONFIG = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {MODE: fast}\n"
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {user: me}\n"
CLAIM = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: rows}\n"
ACCOUNT = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\n"
SHOP = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: redis}\nspec: {ports: [{port: 6379}]}\n"
SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  volumeClaimTemplates: [{metadata: {name: files}}]
"""


def pod(more: str = "", container: str = "", meta: str = "") -> str:
    return POD.format(more=more, container=container, meta=meta)


def remarks(text: str) -> list[Remark]:
    return list(Lacking(parse("all.yaml", text).documents).remarks(None))


C = "spec.containers[0]"
V = "spec.volumes[0]"
FROM = f"{C}.envFrom[0]"


@pytest.mark.parametrize(
    ("text", "there", "field"),
    [
        (pod(container=", envFrom: [{configMapRef: {name: settings}}]"), CONFIG, f"{FROM}.configMapRef.name"),
        (pod(container=", envFrom: [{secretRef: {name: login}}]"), SECRET, f"{FROM}.secretRef.name"),
        (
            pod(container=", env: [{name: U, valueFrom: {secretKeyRef: {name: login, key: user}}}]"),
            SECRET,
            f"{C}.env[0].valueFrom.secretKeyRef.name",
        ),
        (pod("volumes: [{name: v, configMap: {name: settings}}]"), CONFIG, f"{V}.configMap.name"),
        (pod("volumes: [{name: v, secret: {secretName: login}}]"), SECRET, f"{V}.secret.secretName"),
        (
            pod("volumes: [{name: v, projected: {sources: [{secret: {name: login}}]}}]"),
            SECRET,
            f"{V}.projected.sources[0].secret.name",
        ),
        (
            pod("volumes: [{name: v, persistentVolumeClaim: {claimName: rows}}]"),
            CLAIM,
            f"{V}.persistentVolumeClaim.claimName",
        ),
        (
            pod("volumes: [{name: v, persistentVolumeClaim: {claimName: files-db-2}}]"),
            f"---\n{SET}---\n{SERVICE.replace('redis', 'db')[4:]}",
            f"{V}.persistentVolumeClaim.claimName",
        ),
        (pod("serviceAccountName: robot"), ACCOUNT, "spec.serviceAccountName"),
        (pod(meta=", namespace: shop"), SHOP, "metadata.namespace"),
        (
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\n"
            "spec: {scaleTargetRef: {kind: StatefulSet, name: db}}\n",
            f"---\n{SET}---\n{SERVICE.replace('redis', 'db')[4:]}",
            "spec.scaleTargetRef.name",
        ),
        (
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nmetadata: {name: a}\n"
            "spec: {triggers: [{type: redis, authenticationRef: {name: login}}]}\n",
            SECRET,
            "spec.triggers[0].authenticationRef.name",
        ),
        (
            "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a}\n"
            "spec: {secretTargetRef: [{parameter: p, name: login, key: user}]}\n",
            SECRET,
            "spec.secretTargetRef[0].name",
        ),
    ],
)  # fmt: skip
def test_what_is_needed_is_told_unless_the_files_have_it(text: str, there: str, field: str) -> None:
    [one] = remarks(text)
    assert (one.level, one.code, one.field) == ("error", "Missing", field)
    assert "is not among the files" in one.text
    assert one.instead
    assert remarks(text + there) == []


@pytest.mark.parametrize(
    "text",
    [
        pod(container=", envFrom: [{configMapRef: {name: x, optional: true}}]"),
        pod(container=", env: [{name: U, valueFrom: {secretKeyRef: {name: x, key: y, optional: true}}}]"),
        pod("volumes: [{name: v, secret: {secretName: x, optional: true}}]"),
        pod("volumes: [{name: v, configMap: {name: kube-root-ca.crt}}]"),
        pod("serviceAccountName: default"),
        pod(meta=", namespace: kube-system"),
        pod("volumes: [{name: v, configMap: 3}, 4]", container=", env: {a: 1}, envFrom: [[]]"),
    ],
)
def test_what_is_optional_or_always_there_is_not_missing(text: str) -> None:
    assert remarks(text) == []


def test_a_key_that_the_object_has_not_is_told_with_those_it_has() -> None:
    asked = ", env: [{name: U, valueFrom: {secretKeyRef: {name: login, key: usr}}}]"
    [one] = remarks(pod(container=asked) + SECRET)
    assert one.field.endswith("secretKeyRef.key")
    assert 'Secret "login" has no key "usr" (it has: user)' in one.text
    assert 'did you mean "user"' in one.text


def test_an_object_of_another_namespace_does_not_serve() -> None:
    text = pod(container=", envFrom: [{secretRef: {name: login}}]", meta=", namespace: kube-system")
    [one] = remarks(text + SECRET)
    assert 'Secret "login" of namespace "kube-system" is not among the files' in one.text


def test_what_is_named_often_is_told_once_for_each_object() -> None:
    twice = ", envFrom: [{secretRef: {name: login}}, {secretRef: {name: login}}]"
    found = remarks("---\n".join([pod(container=twice), pod(container=twice)]))
    assert [one.text.count("(also at 1 other place)") for one in found] == [1, 1]
    [one] = remarks("---\n".join([pod(meta=", namespace: shop")] * 3))
    assert one.text.endswith('Namespace "shop" is not among the files (also at 2 other places)')
    assert one.instead == "kubectl create namespace shop, or add it to the files"


def test_what_a_running_control_plane_holds_is_not_missing() -> None:
    asked = ", env: [{name: U, valueFrom: {secretKeyRef: {name: login, key: user}}}]"
    lacking = Lacking(parse("all.yaml", pod(container=asked, meta=", namespace: shop")).documents)
    login, shop = (SECRETS, "shop", "login"), (NAMESPACES, "", "shop")
    assert lacking.places() == {login, shop}
    held = {"kind": "Secret", "data": {"user": "bWU="}}
    assert list(lacking.remarks({shop: {}, login: held})) == []
    [one] = lacking.remarks({shop: {}, login: None})
    assert 'Secret "login" of namespace "shop" is neither among the files nor in `tidegate up`' in one.text
    [one] = lacking.remarks({shop: {}, login: {**held, "data": {"password": ""}}})
    assert 'has no key "user" (it has: password)' in one.text


@pytest.mark.parametrize(
    ("name", "value", "hosts"),
    [
        ("REDIS_HOST", "redis", ["redis"]),
        ("REDIS_HOST", "Redis", []),
        ("COLOUR", "red", []),
        ("A", "redis:6379", ["redis"]),
        ("A", "amqp://user:pa:ss@rabbitmq.shop.svc:5672/vhost", ["rabbitmq.shop.svc"]),
        ("A", "http://web/path", ["web"]),
        ("A", "SSL://a-0.kafka:9092, SSL://a-1.kafka:9092", ["a-0.kafka", "a-1.kafka"]),
        ("VOTERS", "0@kafka:9093", ["kafka"]),
        ("WORKER_IMAGE", "redis:7", []),
        ("AT", "10:30", []),
        ("A", "http://$(HOST):80", []),
        ("A", "x:" + "9" * 2000, []),
    ],
)  # fmt: skip
def test_hosts_are_seen_in_the_values_of_variables(name: str, value: str, hosts: list[str]) -> None:
    assert list(hosts_in(name, value)) == hosts


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("redis", ("shop", "redis")),
        ("redis.default", ("", "redis")),
        ("redis.shop", ("shop", "redis")),
        ("redis.shop.svc", ("shop", "redis")),
        ("redis-0.redis.shop.svc.cluster.local", ("shop", "redis")),
        ("example.com", None),
        ("api.example.com", None),
        ("localhost", None),
        ("host.tidegate.internal", None),
        ("kubernetes.default.svc", ("", "kubernetes")),
    ],
)
def test_a_host_stands_for_a_service_of_a_namespace(host: str, place: tuple[str, str] | None) -> None:
    assert service_of(host, "shop", {"default", "shop"}) == place


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (pod(container=", env: [{name: REDIS_HOST, value: redis}]"), f"{C}.env[0].value"),
        (CONFIG.replace("MODE: fast", "REDIS_HOST: redis"), "data.REDIS_HOST"),
        (
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nmetadata: {name: a}\n"
            "spec: {triggers: [{type: redis, metadata: {address: 'redis.default:6379'}}]}\n",
            "spec.triggers[0].metadata.address",
        ),
        (SET.replace("db", "redis"), "spec.serviceName"),
    ],
)
def test_a_service_that_is_not_there_is_a_warning(text: str, field: str) -> None:
    [one] = remarks(text)
    assert (one.level, one.code, one.field) == ("warning", "Missing", field)
    assert remarks(text + SERVICE) == []


def test_names_that_are_always_there_or_the_pods_own_are_no_services() -> None:
    own = "hostAliases: [{ip: 127.0.0.1, hostnames: [db]}]"
    values = (
        "https://kubernetes.default.svc",
        "db:5432",
        "http://keda-operator.keda.svc:9666",
        "localhost:80",
    )
    env = ", ".join(f"{{name: A{index}, value: '{value}'}}" for index, value in enumerate(values))
    assert remarks(pod(own, f", env: [{env}]")) == []
