"""An audited control plane, a Redis, and programs of ours there, as users with rights of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from parts.control_plane import AuditedControlPlane, Deed
from parts.installed import Program
from parts.keda_recording import Shown, shown
from parts.keda_workloads import Object, listed
from parts.loopback import free_port
from parts.redis_servers import RedisProcess
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, Resource

Answer = TypeVar("Answer")
READ = ["get", "list", "watch"]


def _rule(groups: str, resources: str, verbs: list[str]) -> Object:
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs}


EVENTS = _rule("", "events", ["create", "patch"])
LEASES = _rule("coordination.k8s.io", "leases", ["get", "create", "update"])
# Reading, events, its own Lease: nothing else.
SHADOW = [_rule("*", "*", READ), EVENTS, LEASES]
# What KEDA's ClusterRole gives, where it matters here.
KEDA = [
    _rule("*", "*", READ),
    EVENTS,
    LEASES,
    _rule("*", "*/scale", ["get", "list", "patch", "update", "watch"]),
    _rule("autoscaling", "horizontalpodautoscalers", ["*"]),
    _rule("batch", "jobs", ["*"]),
    _rule(
        "keda.sh",
        "scaledobjects,scaledobjects/status,scaledobjects/finalizers,scaledjobs,scaledjobs/status,"
        "scaledjobs/finalizers,triggerauthentications,triggerauthentications/status,"
        "clustertriggerauthentications,clustertriggerauthentications/status",
        ["get", "list", "patch", "update", "watch"],
    ),
]


class KedaCluster:
    """What a test of a take-over asks and does."""

    def __init__(self, plane: AuditedControlPlane, redis: RedisProcess, folder: Path) -> None:
        self.plane = plane
        self.redis = redis
        self.folder = folder
        self.programs: list[Program] = []

    def close(self) -> None:
        for program in self.programs:
            program.kill()

    def ask(self, work: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """What an administrator's client does."""

        async def main() -> Answer:
            client = Client(load(self.plane.kubeconfig))
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(main())

    def shown(self) -> Shown:
        return self.ask(shown)

    def listed(self, resource: Resource) -> dict[str, Object]:
        return self.ask(lambda client: listed(client, resource))

    def patch(self, resource: Resource, name: str, patch: Any) -> None:
        self.ask(lambda client: client.patch(resource, "shop", name, patch))

    def user(self, user: str, rules: list[Object]) -> Path:
        """A kubeconfig of a user who may do what the rules say."""

        async def allow(client: Client) -> None:
            metadata = {"metadata": {"name": user}}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "name": user}
            await client.create(CLUSTER_ROLES, "", {**metadata, "rules": rules})
            subjects = [{"kind": "User", **reference}]
            binding = {**metadata, "roleRef": {"kind": "ClusterRole", **reference}, "subjects": subjects}
            await client.create(CLUSTER_ROLE_BINDINGS, "", binding)

        self.ask(allow)
        keys, plane = self.plane.keys, self.plane
        keys.issue(user, user)
        return keys.kubeconfig(f"{user}.kubeconfig", plane.url, **keys.of_client(user))

    def operator(self, user: str, rules: list[Object], *flags: str) -> Program:
        """`tidegate operator` as such a user; not started."""
        kubeconfig = self.user(user, rules)
        probes, metrics = free_port(), free_port()
        program = Program(
            user,
            [
                "operator",
                f"--kubeconfig={kubeconfig}",
                f"--health-probe-bind-address=127.0.0.1:{probes}",
                f"--metrics-bind-address=127.0.0.1:{metrics}",
                "--allow-address=127.0.0.0/8",
                "--leader-elect",
                *flags,
            ],
            {"POD_NAMESPACE": "keda", "WATCH_NAMESPACE": ""},
            self.folder / f"{user}.out",
        )
        program.probes, program.metrics = probes, metrics
        self.programs.append(program)
        return program

    def deeds(self, user: str) -> list[Deed]:
        return self.plane.deeds(user)
