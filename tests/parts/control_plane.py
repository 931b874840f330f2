"""A Kubernetes control plane on loopback: etcd, the API server and the controllers, without nodes.

What it answers is right: the embedded API is held against it. RBAC, aggregation and the keys of service
accounts are on, as on any cluster. Nobody schedules or runs pods, and nobody watches nodes: a test that
wants pods to run plays the kubelet (and a pod without a node is deleted at once).

    @pytest.fixture(scope="session")
    def plane(servers: Servers) -> ControlPlane:
        return servers.get(ControlPlane)

`kubeconfig` is an administrator's with a certificate, `token_kubeconfig` the same with a token.
"""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import tempfile
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from parts.server_process import ServerProcess, Startable
from parts.servers import program
from parts.waiting import wait_until
from tidegate.local.nodes.network.ranges import CANDIDATES, Ranges

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
ADMIN_TOKEN = "administrator-of-the-tests"
HPA_SYNC_S = 1
ACCOUNT_S = 20.0
# Go takes no certificate without a name of a host, not even a client's.
_ANY = "localhost"


class Keys:
    """The certificates and keys of a control plane, as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.front_proxy = trustme.CA(), trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.crt")
        self.authority.private_key_pem.write_to_path(folder / "ca.key")
        self.front_proxy.cert_pem.write_to_path(folder / "front-proxy-ca.crt")
        names = ("127.0.0.1", "localhost", "kubernetes.default.svc", SERVICE_ADDRESS)
        # What pods of our node call this machine's loopback, whichever block of addresses is free.
        pods = (str(Ranges.of(block).host) for block in CANDIDATES)
        self._keep("server", self.authority.issue_cert(*names, *pods))
        self.issue("admin", "kubernetes-admin", "system:masters")
        self.issue("controllers", "system:kube-controller-manager", "system:kube-controller-manager")
        self._keep("front-proxy", self.front_proxy.issue_cert(_ANY, common_name="front-proxy-client"))
        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        (folder / "accounts.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )
        (folder / "accounts.pub").write_bytes(
            key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        (folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},administrator,administrator,"system:masters"\n')

    def issue(self, file: str, user: str, group: str = "") -> None:
        """A client's certificate (`<file>.crt`) and key (`<file>.key`), who is `user` to the API server."""
        self._keep(file, self.authority.issue_cert(_ANY, common_name=user, organization_name=group))

    def _keep(self, file: str, leaf: trustme.LeafCert) -> None:
        leaf.cert_chain_pems[0].write_to_path(self.folder / f"{file}.crt")
        leaf.private_key_pem.write_to_path(self.folder / f"{file}.key")

    def client_context(self) -> ssl.SSLContext:
        """TLS of the administrator."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return context

    def kubeconfig(self, file: str, server: str, **user: str) -> Path:
        """Writes a kubeconfig of that name, readable by us alone."""
        cluster = {"server": server, "certificate-authority-data": self._inline("ca.crt")}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": user}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        path = self.folder / file
        path.write_text(json.dumps(body))
        path.chmod(0o600)
        return path

    def of_client(self, file: str) -> dict[str, str]:
        """The user of a kubeconfig who has that certificate."""
        return {
            "client-certificate-data": self._inline(f"{file}.crt"),
            "client-key-data": self._inline(f"{file}.key"),
        }

    def _inline(self, file: str) -> str:
        return base64.b64encode((self.folder / file).read_bytes()).decode()


class _Part(ServerProcess):
    """One of the three programs."""

    server = "control-plane"
    which: str

    def command(self) -> list[str]:
        # All three are one file, which chooses by its first argument.
        return [str(program("control-plane", "bin/control-plane")), self.which, *self.flags()]

    def flags(self) -> Iterable[str]:
        raise NotImplementedError


class _Etcd(_Part):
    which = "etcd"
    port_count = 2

    def flags(self) -> Iterable[str]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in self.ports)
        return [
            *("--name", self.token, "--data-dir", str(self.folder / "store")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"{self.token}={peers}", "--initial-cluster-token", self.token),
            *("--unsafe-no-fsync", "--log-level", "warn"),
        ]

    def is_ready(self) -> bool:
        names = self.call("POST", "/v3/cluster/member/list", body={})
        return any(one.get("name") == self.token for one in json.loads(names)["members"])


class _Secured(_Part):
    """One that answers over TLS, with the certificate of this control plane."""

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self.keys = keys
        self.context = keys.client_context()

    def key(self, name: str) -> str:
        return str(self.keys.folder / name)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def page(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=self.probe_s, context=self.context) as answer:
            return bytes(answer.read())


class _ApiServer(_Secured):
    which = "kube-apiserver"
    start_s = 60.0

    def __init__(self, keys: Keys, etcd: _Etcd, more: Iterable[str] = ()) -> None:
        super().__init__(keys)
        self._etcd = etcd
        self._more = more

    def flags(self) -> Iterable[str]:
        return [
            f"--etcd-servers=http://{self._etcd.address}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            f"--tls-cert-file={self.key('server.crt')}",
            f"--tls-private-key-file={self.key('server.key')}",
            f"--client-ca-file={self.key('ca.crt')}",
            f"--token-auth-file={self.key('tokens.csv')}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.key('accounts.pub')}",
            f"--service-account-signing-key-file={self.key('accounts.key')}",
            f"--requestheader-client-ca-file={self.key('front-proxy-ca.crt')}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self.key('front-proxy.crt')}",
            f"--proxy-client-key-file={self.key('front-proxy.key')}",
            *self._more,
        ]

    def is_ready(self) -> bool:
        return self.page("/readyz") == b"ok"


class _Controllers(_Secured):
    which = "kube-controller-manager"

    def __init__(self, keys: Keys, server: str) -> None:
        super().__init__(keys)
        user = keys.of_client("controllers")
        self._kubeconfig = keys.kubeconfig("controllers.kubeconfig", server, **user)

    def flags(self) -> Iterable[str]:
        kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [
            *(f"--{kind}={self._kubeconfig}" for kind in kinds),
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.key('server.crt')}",
            f"--tls-private-key-file={self.key('server.key')}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            "--controllers=*,-node-ipam-controller,-node-lifecycle-controller",
            f"--root-ca-file={self.key('ca.crt')}",
            f"--service-account-private-key-file={self.key('accounts.key')}",
            f"--cluster-signing-cert-file={self.key('ca.crt')}",
            f"--cluster-signing-key-file={self.key('ca.key')}",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            f"--horizontal-pod-autoscaler-sync-period={HPA_SYNC_S}s",
        ]

    def is_ready(self) -> bool:
        return self.page("/healthz") == b"ok"


class ControlPlane(Startable):
    """All three, started in order; ready when a pod could be created in the namespace `default`."""

    def __init__(self) -> None:
        self._folder = Path()
        self._parts: list[_Part] = []

    def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-control-plane-"))
        self.keys = Keys(self._folder)
        self.etcd = _Etcd()
        self.api_server = _ApiServer(self.keys, self.etcd, self.flags())
        for part in (self.etcd, self.api_server):
            self._start(part)
        self.kubeconfig = self.keys.kubeconfig("kubeconfig", self.url, **self.keys.of_client("admin"))
        self.token_kubeconfig = self.keys.kubeconfig("token.kubeconfig", self.url, token=ADMIN_TOKEN)
        self.controllers = _Controllers(self.keys, self.url)
        self._start(self.controllers)
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until(lambda: self.has(path), "the namespace default has its service account", ACCOUNT_S)

    def flags(self) -> Iterable[str]:
        """More flags of the API server."""
        return ()

    def close(self) -> None:
        for part in reversed(self._parts):
            part.close()
        if self._parts:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._parts = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self.api_server.url

    def get(self, path: str) -> Any:
        """The JSON at a path, as the administrator sees it; 4xx and 5xx raise."""
        return json.loads(self.api_server.page(path))

    def forget(self) -> None:
        """Older versions, as clusters do in time: the store is compacted, and the API server begins anew."""
        newest = self.get("/api/v1/namespaces")["metadata"]["resourceVersion"]
        self.etcd.call("POST", "/v3/kv/compaction", body={"revision": newest, "physical": True})
        self.api_server.stop()
        self.api_server.start()

    def _start(self, part: _Part) -> None:
        self._parts.append(part)
        part.start()

    def has(self, path: str) -> bool:
        """Whether there is something at a path."""
        with suppress(OSError):
            return bool(self.get(path))
        return False


@dataclass(frozen=True, slots=True)
class Deed:
    """A request that was to change something, as the API server's audit log has it. `resource` is
    `<plural>` or `<plural>/<subresource>`."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


class AuditedControlPlane(ControlPlane):
    """One that writes down who changes what."""

    def flags(self) -> Iterable[str]:
        rules = [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata", "omitStages": ["RequestReceived"]},
        ]
        policy = self._folder / "audit.json"
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self._folder / 'audit.log'}")

    def deeds(self, user: str) -> list[Deed]:
        """What this user has asked for that is no reading, refused or not, in order."""
        file = self._folder / "audit.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [_deed(one) for one in map(json.loads, lines) if one["user"]["username"] == user]


def _deed(one: dict[str, Any]) -> Deed:
    about = one.get("objectRef") or {}
    kind = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
    code = (one.get("responseStatus") or {}).get("code", 0)
    place = about.get("namespace", ""), about.get("name", "")
    return Deed(one["user"]["username"], one["verb"], kind or one["requestURI"], *place, code)
