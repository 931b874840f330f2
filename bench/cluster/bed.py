"""The cluster that is measured on: a control plane of its own with our programs, or one with another's.

Ours runs as on a cluster: operators that elect a leader, and a metrics API server behind the aggregator. The
API server writes down what the operators ask, under a user of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import redis

from bench.cluster.seen import Audit, Seen
from bench.servers import port_of, redis_server
from parts import control_plane
from parts.control_plane import ControlPlane
from parts.installed import Installed, Program
from parts.installed_metrics import MetricsApi, Server

USER = "operator-that-is-measured"
HPA_SYNC_S = 15
# As the Lease's holder ends or dies, the other one is already there.
LEADING = ("--leader-elect",)
NOTHING = MappingProxyType({"level": "None"})


class MeasuredControlPlane(ControlPlane):
    """HPAs are looked at as often as on other clusters, and what one user asks is written down."""

    def flags(self) -> Iterable[str]:
        rules = [{"level": "Metadata", "users": [USER], "omitStages": ["RequestReceived"]}, dict(NOTHING)]
        policy = self._folder / "audit.json"
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}")

    @property
    def audit_log(self) -> Path:
        return self._folder / "audit.log"


class Ours:
    """Our operators and metrics API server on a control plane of the benchmark's."""

    def __init__(self, metrics: MetricsApi, plane: MeasuredControlPlane, queue: redis.Redis) -> None:
        self.metrics = metrics
        self.plane = plane
        self.queue = queue
        self.kubeconfig = plane.kubeconfig
        self.namespace = metrics.namespace
        self.audit = Audit(plane.audit_log)
        self.server: Server = metrics.server()
        self.operator: Program = self.another()

    def start(self) -> None:
        self.operator.start()
        self.server.start()
        self.metrics.register(self.server)
        self.metrics.let_hpas_ask()

    def another(self, port: int = 0) -> Program:
        """One more operator, not started yet. On one machine a second one needs a port of its own, where the
        metrics API server does not find it."""
        made = self.metrics.operator(*LEADING, port=port)
        made.arguments = [one for one in made.arguments if not one.startswith("--kubeconfig=")]
        made.arguments.append(f"--kubeconfig={self._kubeconfig()}")
        # As where it is installed: its modules are compiled once, and not at each start.
        compiled = self.metrics.installed.folder / "compiled"
        made.environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(compiled)}
        return made

    def _kubeconfig(self) -> Path:
        keys = self.plane.keys
        if not (keys.folder / f"{USER}.crt").exists():
            keys.issue(USER, USER, "system:masters")
        return keys.kubeconfig(f"{USER}.kubeconfig", self.plane.url, **keys.of_client(USER))

    def seen(self) -> dict[str, Seen]:
        """The processes by their names."""
        return {"operator": pid_of(self.operator), "metrics API server": pid_of(self.server.program)}


class Theirs:
    """An autoscaler that is there already: a kubeconfig, its processes, and the Redis that it can reach."""

    operator = server = None
    audit = Audit(None)

    def __init__(self, kubeconfig: Path, namespace: str, pids: Sequence[int], queue: redis.Redis) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.queue = queue
        self._pids = pids

    def seen(self) -> dict[str, Seen]:
        return {f"process {pid}": Seen(pid) for pid in self._pids}


Bed = Ours | Theirs


def pid_of(program: Program) -> Seen:
    assert program.process is not None, f"{program.name} does not run"
    return Seen(program.process.pid)


@contextmanager
def ours(folder: Path) -> Iterator[Ours]:
    """Everything is started, and nothing is left at the end."""
    control_plane.HPA_SYNC_S = HPA_SYNC_S
    with (
        redis_server(folder) as queue,
        MeasuredControlPlane() as plane,
        Installed(plane.kubeconfig, folder) as installed,
        MetricsApi(installed, plane) as metrics,
    ):
        bed = Ours(metrics, plane, queue)
        bed.start()
        yield bed


@contextmanager
def theirs(kubeconfig: Path, pids: Sequence[int], folder: Path) -> Iterator[Theirs]:
    """A namespace of ours on a cluster where another autoscaler runs on this machine."""
    with redis_server(folder) as queue, Installed(kubeconfig, folder) as installed:
        yield Theirs(kubeconfig, installed.namespace, pids, queue)


def address(bed: Bed) -> str:
    return f"127.0.0.1:{port_of(bed.queue)}"
