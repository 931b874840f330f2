"""The external metrics API of a real cluster, served by programs of ours: operators and metrics API servers.

    with MetricsApi(installed, plane) as metrics:
        metrics.operator().start()
        metrics.server().start()
        metrics.register()
        metrics.values("s0-redis-shop", "shop")

The metrics API server has the rights that manifests give it, and no more. Registered is one APIService for
the whole cluster: one test at a time.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from parts.control_plane import ControlPlane
from parts.installed import Installed, Program
from parts.loopback import free_port
from parts.tls_parts import Maker, write

GROUP = "/apis/external.metrics.k8s.io/v1beta1"
APIS = (("external.metrics.k8s.io", "v1beta1", 100), ("explain.tidegate.dev", "v1alpha1", 10))
USER = "metrics-apiserver"
SERVICE, OPERATOR = "keda-metrics-apiserver", "keda-operator"

Object = dict[str, Any]


class MetricsApi:
    """Certificates of one authority, rights, and the programs' flags. Cluster-wide parts go at the end."""

    def __init__(self, installed: Installed, plane: ControlPlane) -> None:
        self.installed = installed
        self.plane = plane
        self.namespace = installed.namespace
        self.maker = Maker()
        self.stream_port = free_port()
        self.folder = self.certificates("certificates", self.maker)
        plane.keys.issue(USER, USER)
        self.kubeconfig = plane.keys.kubeconfig(f"{USER}.kubeconfig", plane.url, **plane.keys.of_client(USER))
        self._made: list[tuple[str, str, str]] = []

    def __enter__(self) -> MetricsApi:
        bind_delegator = binding(
            "ClusterRoleBinding", f"{self.namespace}-delegator", "system:auth-delegator", USER
        )
        read_authorities = binding(
            "RoleBinding", f"{self.namespace}-reader", "extension-apiserver-authentication-reader", USER
        )
        read_authorities["metadata"]["namespace"] = "kube-system"
        self.make(bind_delegator, read_authorities)
        return self

    def __exit__(self, *_: object) -> None:
        for kind, namespace, name in self._made:
            place = ["-n", namespace] if namespace else []
            self.installed.kubectl("delete", kind, name, *place, "--ignore-not-found", "--wait=false")

    def make(self, *objects: Object) -> None:
        """Objects outside of the test's namespace, which go at the end."""
        for one in objects:
            metadata = one["metadata"]
            self._made.append((one["kind"], metadata.get("namespace", ""), metadata["name"]))
            self.installed.kubectl("apply", "-f", "-", stdin=json.dumps(one))

    def certificates(self, name: str, maker: Maker, *services: str) -> Path:
        """A folder as the operator's Secret is mounted."""
        folder = self.installed.folder / name
        folder.mkdir()
        names = [f"{one}.{self.namespace}.svc" for one in services or (OPERATOR, SERVICE)]
        write(folder, self.maker.trust, maker.pair(*names))
        return folder

    def operator(self, *flags: str, port: int = 0) -> Program:
        return self.installed.operator(
            f"--metrics-service-bind-address=127.0.0.1:{port or self.stream_port}",
            f"--cert-dir={self.folder}",
            *flags,
        )

    def server(self, *flags: str, operator_port: int = 0, folder: Path | None = None) -> Server:
        port, plain = free_port(), free_port()
        program = self.installed.program(
            "metrics-apiserver",
            "metrics-apiserver",
            f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--port={plain}",
            f"--cert-dir={folder or self.folder}",
            f"--metrics-service-address=127.0.0.1:{operator_port or self.stream_port}",
            f"--metrics-service-grpc-authority={OPERATOR}.{self.namespace}.svc",
            *flags,
            environment={"POD_NAMESPACE": self.namespace, "WATCH_NAMESPACE": ""},
        )
        return Server(program, port, plain, self)

    def register(self, server: Server) -> None:
        """The aggregator leads our groups to this server; returns when it says that they are available."""
        self.installed.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": SERVICE},
                "spec": {
                    "type": "ExternalName",
                    "externalName": "localhost",
                    "ports": [{"port": server.port, "protocol": "TCP"}],
                },
            }
        )
        for group, version, priority in APIS:
            name = f"{version}.{group}"
            spec = {
                "group": group,
                "version": version,
                "groupPriorityMinimum": priority,
                "versionPriority": priority,
                "caBundle": base64.b64encode(self.maker.trust).decode(),
                "service": {"name": SERVICE, "namespace": self.namespace, "port": server.port},
            }
            kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
            self.make({**kind, "metadata": {"name": name}, "spec": spec})
            self.installed.kubectl("wait", "--for=condition=Available", "apiservice", name, "--timeout=30s")

    def let_hpas_ask(self) -> None:
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"{self.namespace}-external-metrics"},
            "rules": [{"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["*"]}],
        }
        name = role["metadata"]["name"]  # type: ignore[index]
        hpas = {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
        bound = binding("ClusterRoleBinding", name, name, "")
        bound["subjects"] = [hpas]
        self.make(role, bound)

    def path(self, metric: str, owner: str) -> str:
        selector = urllib.parse.quote(f"scaledobject.keda.sh/name={owner}")
        return f"{GROUP}/namespaces/{self.namespace}/{metric}?labelSelector={selector}"

    def refusal(self, metric: str, owner: str) -> str:
        """What the aggregator's caller is told."""
        return self.installed.kubectl("get", "--raw", self.path(metric, owner), check=False)

    def values(self, metric: str, owner: str) -> list[str]:
        """Through the aggregator, as anybody with kubectl asks; none where it is refused."""
        told = self.installed.kubectl("get", "--raw", self.path(metric, owner), check=False)
        try:
            return [one["value"] for one in json.loads(told)["items"]]
        except ValueError:
            return []


class Server:
    """A metrics API server, and requests to it beside the aggregator."""

    def __init__(self, program: Program, port: int, plain: int, metrics: MetricsApi) -> None:
        self.program = program
        self.port = port
        self.plain = plain
        self._metrics = metrics

    def start(self) -> None:
        """Returns when it is ready: whom to trust was read, too."""
        self.program.start()
        self.program.until("it is ready", lambda: self.get("/readyz")[0] == 200)

    def get(
        self, path: str, pair: tuple[Path, Path] | None = None, **headers: str
    ) -> tuple[int, Object | str]:
        """Status and body, with a client certificate and headers of the caller's; 0 where none answers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self._metrics.maker.trust.decode())
        if pair is not None:
            context.load_cert_chain(*pair)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers=named)
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, _read(answer)
        except urllib.error.HTTPError as error:
            return error.code, _read(error)
        except OSError as error:
            return 0, str(error)


def binding(kind: str, name: str, role: str, user: str) -> Object:
    is_wide = kind == "ClusterRoleBinding"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole" if is_wide else "Role",
            "name": role,
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


def _read(answer: Any) -> Object | str:
    text = answer.read().decode()
    try:
        found: Object = json.loads(text)
    except ValueError:
        return str(text)
    return found
