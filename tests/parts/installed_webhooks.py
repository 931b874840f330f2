"""The admission webhooks as a process, registered at a real API server that reaches it on loopback."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

from parts.installed import Installed, Program
from parts.loopback import free_port
from parts.tls_parts import Maker, write
from tidegate.admission.webhooks import SERVICE, configuration
from tidegate.runtime.certificates import service_names


class InstalledWebhooks:
    """One for a test: it answers for the test's namespace, and for objects of the cluster while it lives."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.installed = installed
        self.name = f"tidegate-{installed.namespace}"
        self.port = free_port()
        self.folder = folder
        self.maker = Maker()
        folder.mkdir(exist_ok=True)
        names = service_names(SERVICE, installed.namespace, "cluster.local")
        write(folder, self.maker.trust, self.maker.pair(*names))
        self.program = self._program()

    def __enter__(self) -> InstalledWebhooks:
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self.port}]},
        }
        self.installed.apply(service)
        self.program.start()
        self.register(self.maker.trust)
        return self

    def __exit__(self, *_: object) -> None:
        self.program.kill()
        self.installed.kubectl("delete", "validatingwebhookconfiguration", self.name)

    def register(self, trust: bytes, *, failure_policy: str = "Ignore") -> None:
        """Under our own name, for the namespace of the test."""
        registered = configuration(
            name=self.name, namespace=self.installed.namespace, port=self.port, authorities=trust
        )
        for webhook in registered["webhooks"]:
            webhook["failurePolicy"] = failure_policy
            webhook["namespaceSelector"] = {
                "matchLabels": {"kubernetes.io/metadata.name": self.installed.namespace}
            }
        self.installed.apply(registered)

    @property
    def trusted(self) -> bytes:
        """The caBundle as it is registered."""
        found = self.installed.get("validatingwebhookconfiguration", self.name)
        return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))

    def applied(self, object: dict[str, Any], *flags: str) -> str:
        """All that kubectl says of a write."""
        words = ("apply", "-n", self.installed.namespace, *flags, "-f", "-")
        return self.installed.kubectl(*words, stdin=json.dumps(object), check=False)

    def refusal(self, object: dict[str, Any]) -> str:
        """What kubectl says of a write that is refused: empty where it is taken."""
        said = self.applied(object)
        return said if "Error from server" in said else ""

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=3) as answer:
            return str(answer.read().decode())

    def _program(self) -> Program:
        probes, self.metrics_port = free_port(), free_port()
        return self.installed.program(
            "webhooks",
            "admission-webhooks",
            f"--kubeconfig={self.installed.kubeconfig}",
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--cert-dir={self.folder}",
            f"--health-probe-bind-address=127.0.0.1:{probes}",
            f"--metrics-bind-address=127.0.0.1:{self.metrics_port}",
            probes=probes,
        )
