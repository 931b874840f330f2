"""A cluster to install the chart into: a control plane of its own, our node as the kubelet of the release's
namespace, and this checkout's `tidegate` as its image. What the API server was asked is in its audit log.

    with ChartCluster(folder) as cluster:
        cluster.install()
        cluster.until("…", lambda: …)
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

from parts.charts import CHART, IMAGE, Helm, Object, merged, with_image
from parts.control_plane import ControlPlane
from parts.kubelet import Kubelet
from parts.up import kubectl

NAMESPACE, RELEASE = "keda", "tidegate"
PATIENCE_S = 180.0
# Who asked for what, and how it went; nothing of the objects. Watches are told when they begin.
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:keda"]},
        {"level": "Metadata", "resources": [{"group": "external.metrics.k8s.io"}]},
        {"level": "None"},
    ],
}
# The node runs programs of this machine: an image's user is not known, and the checkout may be closed to it.
# Probes are patient, for the machine is busy.
PROBES = {"initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 10, "failureThreshold": 30}
PART = {"livenessProbe": PROBES, "readinessProbe": PROBES}
VALUES: Object = {
    "image": {"keda": {"tag": "test"}},
    "podSecurityContext": {name: {"runAsNonRoot": None} for name in ("operator", "metricServer", "webhooks")},
    "operator": PART,
    "metricsServer": {**PART, "replicaCount": 1},
    "webhooks": {**PART, "replicaCount": 1},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of one of the release's ServiceAccounts."""

    account: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    why: str

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        what = f"{self.group}/{self.resource}".lstrip("/")
        return f"{self.account}: {self.verb} {what} {self.name}{where}: {self.code} {self.why}"


class _Plane(ControlPlane):
    def __init__(self, policy: Path, log: Path) -> None:
        super().__init__()
        self._audit = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")

    def flags(self) -> Iterable[str]:
        return [
            *self._audit,
            # Nobody plays the kube-proxy: the API server looks up itself where Services lead.
            "--enable-aggregator-routing=true",
            # Whoever makes an object that another's deletion waits for needs a right to it, as on OpenShift.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        ]


class ChartCluster:
    """`install()` returns when all pods are ready. Those of other namespaces run where `runs_all` says so."""

    def __init__(self, folder: Path, *, runs_all: bool = False) -> None:
        self.folder = folder
        self._runs_all = runs_all
        # Of every install of a story.
        self.own_values: Object = {}
        self._stack = ExitStack()

    def __enter__(self) -> ChartCluster:
        policy, self._log = self.folder / "policy.yaml", self.folder / "audit.log"
        policy.write_text(yaml.safe_dump(POLICY))
        images = self.folder / "images.yaml"
        program = Path(sys.executable).with_name("tidegate")
        images.write_text(yaml.safe_dump({"images": [{"images": [f"{IMAGE}*"], "command": [str(program)]}]}))
        plane = _Plane(policy, self._log)
        with ExitStack() as stack:
            stack.enter_context(plane)
            self.plane = plane
            self.kubeconfig = plane.token_kubeconfig
            self.helm = Helm(self.folder / "helm", self.kubeconfig)
            self.kubelet = Kubelet(
                self.kubeconfig, NAMESPACE, self.folder / "kubelet", images, is_alone=self._runs_all
            )
            stack.callback(self.kubelet.end)
            self.kubelet.start()
            stack.callback(self._let_go)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _let_go(self) -> None:
        """A namespace cannot end while an API that nobody serves any more is registered."""
        self.kubectl("delete", "apiservice", "-l", f"app.kubernetes.io/instance={RELEASE}")

    def install(self, values: Object | None = None, *flags: str) -> str:
        """Installs or upgrades the release, and waits for its pods."""
        given = with_image(merged(merged(self.values(), self.own_values), values or {}))
        limit = f"{PATIENCE_S:g}s"
        words = ("upgrade", "--install", RELEASE, str(CHART), "-n", NAMESPACE, "--wait", "--timeout", limit)
        try:
            return self.helm.run(*words, *flags, values=given)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error

    def values(self) -> Object:
        """What the release needs on this machine."""
        # A kubelet says where the API server is; ours knows the Services of its namespace alone.
        place = {"HOST": self.kubelet.host, "PORT": str(self.plane.api_server.port)}
        env = [{"name": f"KUBERNETES_SERVICE_{name}", "value": value} for name, value in place.items()]
        return {**VALUES, "env": env}

    def own_certificates(self) -> Object:
        """Makes the Secret that an administrator would bring; the values that go with it."""
        authority = trustme.CA()
        services = ("keda-operator", "keda-operator-metrics-apiserver", "keda-admission-webhooks")
        names = [f"{one}.{NAMESPACE}.svc{end}" for one in services for end in ("", ".cluster.local")]
        leaf = authority.issue_cert(*names)
        files = {
            "ca.crt": authority.cert_pem.bytes(),
            "tls.crt": leaf.cert_chain_pems[0].bytes(),
            "tls.key": leaf.private_key_pem.bytes(),
        }
        data = {name: base64.b64encode(text).decode() for name, text in files.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kedaorg-certs"}, "data": data}
        self.apply(NAMESPACE, secret)
        return {"certificates": {"autoGenerated": False, "caBundle": data["ca.crt"]}}

    def kill_programs(self, command: str) -> int:
        """kill -9 of `tidegate <command>` in all its pods; how many there were."""
        word, count = b"\0" + command.encode() + b"\0", 0
        for pid in self.kubelet.processes():
            with suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    count += 1
        return count

    def uninstall(self) -> str:
        try:
            return self.helm.run(
                "uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", f"{PATIENCE_S:g}s"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error

    def told(self) -> str:
        """The last words of the release's pods, for a failure."""
        found = [self.kubectl("get", "pods,jobs", "-n", NAMESPACE, "-o", "wide", check=False)]
        for pod in self.get("pods", NAMESPACE)["items"]:
            name = pod["metadata"]["name"]
            log = self.kubelet.log(pod["metadata"]["uid"])[-3000:]
            statuses = json.dumps(pod["status"].get("containerStatuses"))
            found.append(f"--- {name}: {statuses}\n{log}")
        found.append(self.kubectl("get", "events", "-n", NAMESPACE, check=False)[-3000:])
        return "\n".join(found)

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        run = subprocess.run(
            [kubectl(), f"--kubeconfig={self.kubeconfig}", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        if check:
            assert run.returncode == 0, f"kubectl {' '.join(words)}: {run.stderr}"
        return run.stdout if check else run.stdout + run.stderr

    def apply(self, namespace: str, *objects: Object | str) -> str:
        texts = [one if isinstance(one, str) else yaml.safe_dump(one) for one in objects]
        return self.kubectl("apply", "-n", namespace, "-f", "-", stdin="\n---\n".join(texts))

    def get(self, what: str, namespace: str = "") -> Any:
        where = ("-n", namespace) if namespace else ()
        return json.loads(self.kubectl("get", *what.split(), *where, "-o", "json"))

    def is_there(self, what: str, namespace: str = "") -> bool:
        where = ("-n", namespace) if namespace else ()
        return bool(self.kubectl("get", *what.split(), *where, "--ignore-not-found", "-o", "name").strip())

    def replicas(self, deployment: str, namespace: str) -> int:
        return int(self.get(f"deployment {deployment}", namespace)["spec"]["replicas"])

    def until(self, what: str, is_so: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}\n{self.told()}"
            time.sleep(0.5)

    def asked(self) -> Iterator[Asked]:
        """All that the release's ServiceAccounts asked for so far."""
        for line in self._log.read_text().splitlines():
            event = json.loads(line)
            about = event.get("objectRef")
            if about is None:
                continue  # what is no object, such as /apis
            resource = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
            yield Asked(
                account=event["user"]["username"].rpartition(":")[2],
                verb=event["verb"],
                group=about.get("apiGroup", ""),
                resource=resource,
                namespace=about.get("namespace", ""),
                name=about.get("name", ""),
                code=event.get("responseStatus", {}).get("code", 0),
                why=event.get("responseStatus", {}).get("message", ""),
            )
