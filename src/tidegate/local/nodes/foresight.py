"""What of an object this machine would not honour or could not run, before it is tried.

Asked of the same code that plans a container when it starts. It only looks: nothing is made or written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.base.quantity import parse_quantity
from tidegate.local.nodes.images import scripts
from tidegate.local.nodes.images.program import ImageMap, NoProgram
from tidegate.local.nodes.images.table import short_names
from tidegate.local.nodes.network.pod_networks import LOOPBACK
from tidegate.local.nodes.network.service_proxies import NO_SCTP
from tidegate.local.nodes.places import shared_ports
from tidegate.local.nodes.pods.container_plan import without_mounts
from tidegate.local.nodes.pods.probe_actions import NO_GRPC
from tidegate.local.nodes.processes.environment import Incomplete, command_line
from tidegate.local.nodes.processes.instance import Bind
from tidegate.local.nodes.processes.run_as import run_as, unheeded, why_unheeded
from tidegate.local.nodes.processes.volumes import host_path_problem
from tidegate.local.nodes.runtimes.port import PROCESS
from tidegate.local.unhonoured import RUNTIMES, Unhonoured, asked_runtime, pod_spec_of

WAITS = "keeps its pods waiting"
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_ALL_SHARE = "all pods share this machine's network"
_OWN_NETWORK = 'networks of their own: see "Networks" in docs/local-mode.md'
Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a node has to offer. `refused` says why private mounts are not possible, "" where they are;
    `is_shared` that pods have the machine's network, `has_copies` that containers have copies of its files.
    `runtime` is what runs containers of pods that do not say it; engines are looked for in `engine_path`.
    """

    images: ImageMap
    me: int = field(default_factory=os.geteuid)
    path: str = field(default_factory=lambda: os.environ.get("PATH", os.defpath))
    refused: str = ""
    is_shared: bool = True
    has_copies: bool = True
    cpu: Decimal = field(default_factory=lambda: Decimal(os.cpu_count() or 1))
    memory_bytes: int = field(
        default_factory=lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    runtime: str = PROCESS
    engine_path: str = field(default_factory=lambda: os.environ.get("PATH", os.defpath))
    has_grpc: bool = field(default_factory=lambda: find_spec("grpc") is not None)


def foresee(key: str, body: Mapping[str, Any], machine: Machine, *, is_idle: bool) -> list[Unhonoured]:
    """What is to be told of an object of this kind; `is_idle` when none of its pods runs yet, so that a port
    that is taken is somebody else's.
    """
    found: list[Unhonoured] = []
    # Values of a wrong type are refused, or told by others.
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        for one in _foresee(key, body, machine, is_idle=is_idle):
            found.append(one)
    return found


def _foresee(key: str, body: Mapping[str, Any], machine: Machine, *, is_idle: bool) -> Iterator[Unhonoured]:
    if key == "services" and machine.is_shared:
        yield from _service(body.get("spec") or {})
    found = pod_spec_of(key, body)
    if found is None:
        return
    path, spec = found
    yield from _pod(path, spec, machine)
    metadata = {"name": "", "namespace": "", "uid": "", **(body.get("metadata") or {})}
    told: set[str] = set()
    where, asked = asked_runtime(key, body)
    engine = str(asked or machine.runtime)
    if engine not in RUNTIMES:
        way = f"one of {', '.join(RUNTIMES)}"
        yield Unhonoured(where, f'names no runtime: "{engine}", and its pods are refused', way, runs=False)
    if is_in_engine := engine != PROCESS:
        yield from _engine(path, spec, engine, machine)
    for name in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(name) or ()):
            where = f"{path}.{name}[{index}]"
            for look in (_resources, _probes) if is_in_engine else (_program, _mounts, _resources, _probes):
                yield from look(where, container, machine)
            if is_in_engine:
                continue
            for one in _identity(path, where, {"metadata": metadata, "spec": spec}, container, machine):
                if one.field not in told:
                    told.add(one.field)
                    yield one
            if machine.is_shared or spec.get("hostNetwork"):
                if is_idle:
                    yield from _ports(where, container, machine)
                yield from _one_port_for_all(
                    where, container, (body.get("spec") or {}).get("replicas"), machine
                )


def _service(spec: Spec) -> Iterator[Unhonoured]:
    if spec.get("sessionAffinity") == "ClientIP":
        told = f"has no effect: {_ALL_SHARE}, and with it one address"
        yield Unhonoured("spec.sessionAffinity", told, _OWN_NETWORK)
    if spec.get("externalName"):
        told = f"is found by the autoscaler alone: {_ALL_SHARE}, and a hosts file has no aliases"
        yield Unhonoured("spec.externalName", told, f"the name itself, or {_OWN_NETWORK}")
    for index, port in enumerate(spec.get("ports") or ()):
        if port.get("protocol") == "SCTP":
            yield Unhonoured(f"spec.ports[{index}].protocol", f"has no effect: {NO_SCTP}", _OWN_NETWORK)


def _pod(path: str, spec: Spec, machine: Machine) -> Iterator[Unhonoured]:
    if machine.is_shared:
        why = f"has no effect: {_ALL_SHARE}, and its resolver"
        if spec.get("dnsConfig"):
            yield Unhonoured(f"{path}.dnsConfig", why, f"hostAliases, or {_OWN_NETWORK}")
        if spec.get("dnsPolicy") not in (None, "ClusterFirst", "ClusterFirstWithHostNet", "Default"):
            yield Unhonoured(f"{path}.dnsPolicy", why, _OWN_NETWORK)
    for index, volume in enumerate(spec.get("volumes") or ()):
        source = volume.get("hostPath") or {}
        kind = source.get("type") or ""
        if not source.get("path") or kind.endswith("OrCreate"):
            continue
        if why := host_path_problem(Path(source["path"]), kind):
            where = f"{path}.volumes[{index}].hostPath.path"
            yield Unhonoured(where, f"{WAITS}: {why}", "make it before, or a type …OrCreate", runs=False)


def _engine(path: str, spec: Spec, engine: str, machine: Machine) -> Iterator[Unhonoured]:
    if engine in RUNTIMES and shutil.which(engine, path=machine.engine_path) is None:
        told = f"{WAITS}: {engine} is not on this machine"
        yield Unhonoured(f"{path}.containers", told, f"install {engine}, or run processes", runs=False)
    if spec.get("shareProcessNamespace"):
        told = f"has no effect: in {engine} each container has processes of its own"
        yield Unhonoured(f"{path}.shareProcessNamespace", told, "hostPID")


def _program(where: str, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    given = {one["name"]: str(one["value"]) for one in container.get("env") or () if one.get("value")}
    env = {"PATH": machine.path, **given}
    command, args = command_line(container, env)
    image = str(container.get("image", ""))
    try:
        program = machine.images.program(image, command, args, env, LOOPBACK)
    except (NoProgram, Misconfigured) as error:
        told = f'{WAITS}: no program of this machine stands for "{image}"'
        yield Unhonoured(f"{where}.image", told, str(error), runs=False)
        return
    path = os.pathsep.join([*program.path, env["PATH"], *program.folders])
    name = program.args[0]
    targets = [file.target for file in program.files]
    targets += [str(one.get("mountPath", "")) for one in container.get("volumeMounts") or ()]
    if "/" in name:
        place = os.path.join(container.get("workingDir") or program.working_dir or "/", name)
        is_there = os.path.exists(place) or any(scripts.is_below(place, target) for target in targets)
    else:
        is_there = shutil.which(name, path=path) is not None or "PATH" in given
    if not is_there and "$(" not in name:
        told = f'cannot start: this machine has no "{name}"'
        way = "install it, mount it, or say what the image runs: tidegate images add"
        yield Unhonoured(f"{where}.{'command' if command else 'args'}", told, way, runs=False)
    elif machine.images.entry(image) is None:
        script = scripts.lacking(program.args, container.get("workingDir") or "", targets)
        if script:
            way = scripts.way_out(short_names(image)[-1])
            yield Unhonoured(f"{where}.image", scripts.told_of(script), way, runs=False)


def _mounts(where: str, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    binds = [Bind("", str(one["mountPath"])) for one in container.get("volumeMounts") or ()]
    if machine.refused and binds:
        told = f"{WAITS}: this machine refuses private mounts ({machine.refused})"
        yield Unhonoured(f"{where}.volumeMounts", told, without_mounts(binds, machine.refused), runs=False)


def _resources(where: str, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    requests = (container.get("resources") or {}).get("requests") or {}
    there = {"cpu": machine.cpu, "memory": Decimal(machine.memory_bytes)}
    for name, amount in there.items():
        if name in requests and parse_quantity(str(requests[name])) > amount:
            shown = f"{amount}" if name == "cpu" else f"{int(amount) // 2**20}Mi"
            told = f"is more than this machine has ({shown}): the pod runs, and gets what there is"
            yield Unhonoured(f"{where}.resources.requests.{name}", told, "ask for less here")


def _probes(where: str, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    for name in _PROBES:
        if not machine.has_grpc and (container.get(name) or {}).get("grpc"):
            told = "cannot be asked, and the pod does not become ready: the Python package grpcio is missing"
            yield Unhonoured(f"{where}.{name}.grpc", told, NO_GRPC, runs=False)


def _identity(path: str, where: str, pod: Spec, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") and not machine.has_copies:
        told = "has no effect: containers see and write the machine's own files here"
        yield Unhonoured(f"{where}.securityContext.readOnlyRootFilesystem", told, "Linux 5.12 or newer")
    places = {"pod": path, "container": where}
    for name, whose in unheeded(pod["spec"], container, machine.me):
        told = f"has no effect: {why_unheeded(machine.me)}"
        yield Unhonoured(f"{places[whose]}.securityContext.{name}", told, "run tidegate up as root")
    try:
        run_as(pod, container, machine.me)
    except Incomplete:
        whose = "container" if "runAsUser" in (container.get("securityContext") or {}) else "pod"
        told = f"{WAITS}: it is root, and runAsNonRoot forbids that"
        yield Unhonoured(f"{places[whose]}.securityContext.runAsUser", told, "another user", runs=False)


def _one_port_for_all(
    where: str, container: Spec, replicas: int | None, machine: Machine
) -> Iterator[Unhonoured]:
    """Servers that we start listen on their pod's address alone, where pods share the machine's network."""
    if not replicas or replicas < 2:
        return
    entry = machine.images.entry(str(container.get("image", "")))
    if not container.get("command") and entry is not None and entry.command:
        return
    for index, port in enumerate(container.get("ports") or ()):
        if port.get("containerPort"):
            told = f"is one port for all {replicas} pods: a program that listens on all addresses starts once"
            way = f"listen on the pod's address alone (status.podIP), one replica, or {_OWN_NETWORK}"
            yield Unhonoured(f"{where}.ports[{index}].containerPort", told, way)


def _ports(where: str, container: Spec, machine: Machine) -> Iterator[Unhonoured]:
    lowest = shared_ports.closed_below(machine.me)
    for index, port in enumerate(container.get("ports") or ()):
        number, place = port.get("containerPort") or 0, f"{where}.ports[{index}].containerPort"
        if number < lowest:
            told = f"is closed to the user {machine.me} on this machine's network (below {lowest})"
            yield Unhonoured(place, told, "a higher port, or run tidegate up as root", runs=False)
        elif (port.get("protocol") or "TCP") == "TCP" and shared_ports.is_taken(LOOPBACK, number):
            told = f"is in use: another program of this machine listens on {number}"
            yield Unhonoured(place, told, f"end that program, or {_OWN_NETWORK}")
