"""Runs KEDA on the control plane of the tests and keeps what it leaves there, for tests that need no KEDA.

    go build -o /tmp/keda ./cmd/operator && go build -o /tmp/keda-adapter ./cmd/adapter   # in KEDA's source
    python tests/migration/record.py 2.21.0 /tmp/keda /tmp/keda-adapter config/crd/bases

`keda-<version>.yaml` holds the objects as the API server gives them, `keda-<version>-crds.json` KEDA's
definitions without their descriptions.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from parts.control_plane import ControlPlane  # noqa: E402
from parts.keda_workloads import KINDS, LISTS, NAMESPACE, PASSWORD, created, listed, manifests  # noqa: E402
from parts.loopback import free_port  # noqa: E402
from parts.redis_servers import RedisProcess, redis_program  # noqa: E402
from tidegate.kube.client import MERGE, Client  # noqa: E402
from tidegate.kube.config import load  # noqa: E402
from tidegate.kube.resource import CRDS, NAMESPACES, PODS, SERVICES, ApiError, Resource  # noqa: E402

Object = dict[str, Any]

SETTLES_S = 45.0
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", is_namespaced=False)
# What differs with each run and nobody reads.
NOISE = ("managedFields", "selfLink")


async def main(version: str, operator: str, adapter: str, crds: str) -> None:
    redis = RedisProcess(redis_program(), ("--requirepass", PASSWORD))
    redis.call_options["password"] = PASSWORD
    redis.start()
    try:
        with ControlPlane() as plane:
            client = Client(load(plane.kubeconfig))
            try:
                for name, count in LISTS.items():
                    redis.call("RPUSH", name, *map(str, range(count)))
                await define(client, Path(crds))
                async with keda(client, plane.kubeconfig, operator, adapter):
                    await fill(client, redis.address)
                    await asyncio.sleep(SETTLES_S)
                    await finish_one(client)
                    await asyncio.sleep(SETTLES_S / 3)
                    await keep(client, version, redis.address)
            finally:
                await client.close()
    finally:
        redis.close()


async def define(client: Client, folder: Path) -> None:
    for body in definitions(folder):
        await client.create(CRDS, "", body)
    await asyncio.sleep(3)


def definitions(folder: Path) -> list[Object]:
    texts = (file.read_text() for file in sorted(folder.glob("*.yaml")))
    return [body for text in texts for body in yaml.safe_load_all(text) if body]


@asynccontextmanager
async def keda(client: Client, kubeconfig: Path, operator: str, adapter: str) -> AsyncIterator[None]:
    """KEDA's operator and metrics server, as processes, with the API server's way to the second."""
    service, grpc = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        certificates = Path(folder)
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "keda-operator.keda.svc")
        authority.cert_pem.write_to_path(certificates / "ca.crt")
        leaf.cert_chain_pems[0].write_to_path(certificates / "tls.crt")
        leaf.private_key_pem.write_to_path(certificates / "tls.key")
        await client.create(NAMESPACES, "", {"metadata": {"name": "keda"}})
        await register(client, service)
        own = {**os.environ, "WATCH_NAMESPACE": "", "POD_NAMESPACE": "keda"}
        own["KEDA_CLUSTER_OBJECT_NAMESPACE"] = "keda"
        commands = (
            [
                operator,
                f"--kubeconfig={kubeconfig}",
                f"--cert-dir={folder}",
                f"--metrics-bind-address=127.0.0.1:{free_port()}",
                f"--health-probe-bind-address=127.0.0.1:{free_port()}",
                f"--metrics-service-bind-address=127.0.0.1:{grpc}",
                "--leader-elect",
            ],
            [
                adapter,
                f"--kubeconfig={kubeconfig}",
                f"--lister-kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                f"--cert-dir={folder}",
                "--bind-address=127.0.0.1",
                f"--secure-port={service}",
                f"--port={free_port()}",
                f"--metrics-service-address=localhost:{grpc}",
                f"--tls-cert-file={folder}/tls.crt",
                f"--tls-private-key-file={folder}/tls.key",
            ],
        )
        running: list[subprocess.Popen[bytes]] = []
        try:
            running += [launched(command, own) for command in commands]
            yield
            assert all(one.poll() is None for one in running), "KEDA has ended: see its log"
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(20)


def launched(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with open(f"{tempfile.gettempdir()}/{Path(command[0]).name}.log", "wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


async def register(client: Client, port: int) -> None:
    name = "keda-metrics-apiserver"
    spec: Object = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
    await client.create(SERVICES, "keda", {"metadata": {"name": name}, "spec": spec})
    spec = {
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": name, "namespace": "keda", "port": port},
    }
    await client.create(
        API_SERVICES, "", {"metadata": {"name": "v1beta1.external.metrics.k8s.io"}, "spec": spec}
    )
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["*"]}]
    role = {"metadata": {"name": "keda-external-metrics-reader"}, "rules": rules}
    await client.request("POST", f"{rbac}/clusterroles", body=role)
    binding = {
        "metadata": {"name": "keda-hpa-controller-external-metrics"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role["metadata"]["name"],
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
        ],
    }
    await client.request("POST", f"{rbac}/clusterrolebindings", body=binding)


async def fill(client: Client, redis: str) -> None:
    for body in manifests(redis):
        for _ in range(20):
            try:
                await created(client, body)
                break
            except ApiError as error:
                print(body["kind"], body["metadata"]["name"], error, file=sys.stderr)
                await asyncio.sleep(1)


async def finish_one(client: Client) -> None:
    """One of the Jobs has done its work, one is at work, one waits."""
    pods = [one for one in (await listed(client, PODS)).values() if "job-name" in one["metadata"]["labels"]]
    for pod, phase in zip(
        sorted(pods, key=lambda one: one["metadata"]["name"]), ("Succeeded", "Running"), strict=False
    ):
        status = {"status": {"phase": phase}}
        await client.patch(
            PODS, NAMESPACE, pod["metadata"]["name"], status, subresource="status", content_type=MERGE
        )


async def keep(client: Client, version: str, redis: str) -> None:
    found = [one for kind in KINDS for one in (await listed(client, kind)).values()]
    found = [one for one in found if one["kind"] != "Namespace" or one["metadata"]["name"] == NAMESPACE]
    for one in found:
        for part in NOISE:
            one["metadata"].pop(part, None)
    server = json.loads(await client.request("GET", "/version"))["gitVersion"]
    head = f"# What KEDA {version} had made of workloads.yaml on Kubernetes {server}: `record.py` wrote it.\n"
    text = yaml.safe_dump_all(found, sort_keys=True, width=110).replace(redis, "REDIS")
    (HERE / f"keda-{version}.yaml").write_text(head + text)
    crds = [plain(one) for one in (await client.list(CRDS)).items if "keda.sh" in one["metadata"]["name"]]
    lines = ",\n".join(json.dumps(one, separators=(",", ":"), sort_keys=True) for one in crds)
    (HERE / f"keda-{version}-crds.json").write_text(f"[\n{lines}\n]\n")


def plain(crd: Object) -> Object:
    """A definition as it can be created again, without what only people read."""
    kept = ("name", "labels", "annotations")
    metadata = {key: one for key, one in crd["metadata"].items() if key in kept}
    return {
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": metadata,
        "spec": quiet(crd["spec"]),
    }


def quiet(schema: Any) -> Any:
    if isinstance(schema, list):
        return [quiet(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: quiet(one) for key, one in schema.items() if not (key == "description" and isinstance(one, str))
    }


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
