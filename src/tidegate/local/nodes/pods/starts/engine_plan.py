"""What a container is to be in an engine: its Pod, turned into values; the volumes are those of processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tidegate.base.quantity import parse_quantity
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.places.name_files import NSSWITCH, name_files
from tidegate.local.nodes.places.pod_place import has_network
from tidegate.local.nodes.pods.container_plan import (
    api_address,
    fill_volumes,
    last_words_bind,
    marks,
    memory_limit,
)
from tidegate.local.nodes.processes.environment import Incomplete, command_line, environment
from tidegate.local.nodes.processes.instance import Plan, View
from tidegate.local.nodes.processes.pod_naming import pod_names
from tidegate.local.nodes.processes.volumes import binds, read_only
from tidegate.local.nodes.runtimes.answers import Image
from tidegate.local.nodes.runtimes.creation import (
    INSTANCE_LABEL,
    NODE_LABEL,
    POD_LABEL,
    Limits,
    Security,
    Wanted,
    container_name,
)
from tidegate.local.nodes.runtimes.dialect import start_words
from tidegate.local.nodes.runtimes.engine import Engine
from tidegate.local.nodes.runtimes.of_engine import STOP_VARIABLE, words_of

Spec = Mapping[str, Any]


def wanted(context: NodeContext, pod: Spec, container: Spec, number: int, image: Image) -> Wanted:
    """The container of the instance `number`; writes the volumes' content that it needs.

    Raises `Incomplete`, `Unmountable` or `Unnameable`: reasons to wait, not failures.
    """
    metadata = pod["metadata"]
    refers = context.refers(metadata["namespace"])
    env = environment(pod, container, refers, {}, api_address(context, pod))
    command, args = command_line(container, env)
    mounts = binds(container, fill_volumes(context, pod, refers), env, read_only(pod))
    # How names are looked up is the image's own affair, but for the two files that engines write, too.
    mounts += [bind for bind in name_files(context, pod) if bind.target != str(NSSWITCH)]
    words = words_of(context.pod_folder(metadata["uid"]) / str(container["name"]) / str(number))
    if bind := last_words_bind(words, container, mounts):
        words.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        words.write_bytes(b"")
        words.chmod(0o666)
        mounts += bind
    return Wanted(
        name=container_name(context.node_id, metadata["uid"], str(container["name"]), number),
        image=str(container.get("image", "")),
        command=command,
        args=args,
        env=env | marks(context, pod, container, number),
        binds=mounts,
        cwd=str(container.get("workingDir") or ""),
        hostname=pod_names(pod).kernel,
        labels=_labels(context, pod, container, number),
        security=security(pod, container, image),
        limits=limits(container),
        has_input=bool(container.get("stdin")),
        has_tty=bool(container.get("tty")),
        shares_processes=bool(pod["spec"].get("hostPID")),
        shares_memory=bool(pod["spec"].get("hostIPC")),
    )


def launch_plan(
    context: NodeContext, pod: Spec, container: Spec, number: int, engine: Engine, image: Image
) -> Plan:
    """What the launcher becomes: the command that starts the container and stays with it."""
    name = container_name(context.node_id, pod["metadata"]["uid"], str(container["name"]), number)
    has_input, has_tty = bool(container.get("stdin")), bool(container.get("tty"))
    own = {**marks(context, pod, container, number), STOP_VARIABLE: image.stop_signal}
    return Plan(
        start_words(engine.dialect, name, has_input=has_input, has_tty=has_tty),
        {"PATH": os.defpath, **engine.environment, **own},
        # podman's monitor leaves a file `oom` where it is started, which is an instance's own word for that.
        str(context.pod_folder(pod["metadata"]["uid"]) / str(container["name"]) / str(number)),
        view=View("none"),
        has_network=has_network(context, pod),
        has_input=has_input,
        has_tty=has_tty,
    )


def security(pod: Spec, container: Spec, image: Image) -> Security:
    """As a kubelet asks it of a runtime. Raises `Incomplete` where root is forbidden and it would be that."""
    of_pod, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    given = {**of_pod, **{name: value for name, value in own.items() if value is not None}}
    if given.get("runAsNonRoot"):
        _refuse_root(pod, container, given.get("runAsUser"), image)
    user, group = given.get("runAsUser"), given.get("runAsGroup")
    whose = "" if user is None else str(user)
    if group is not None:
        whose = f"{whose or image.user.partition(':')[0] or '0'}:{group}"
    more = {*(of_pod.get("supplementalGroups") or ()), *_of(of_pod.get("fsGroup"))}
    capabilities = own.get("capabilities") or {}
    return Security(
        user=whose,
        groups=sorted(more),
        is_privileged=bool(own.get("privileged")),
        is_sealed=own.get("allowPrivilegeEscalation") is False,
        is_read_only=bool(own.get("readOnlyRootFilesystem")),
        added=tuple(capabilities.get("add") or ()),
        dropped=tuple(capabilities.get("drop") or ()),
        is_unconfined=(given.get("seccompProfile") or {}).get("type") == "Unconfined",
    )


def _refuse_root(pod: Spec, container: Spec, user: int | None, image: Image) -> None:
    """Source: Kubernetes documentation, `runAsNonRoot`."""
    name, namespace, uid = (pod["metadata"][key] for key in ("name", "namespace", "uid"))
    where = f'(pod: "{name}_{namespace}({uid})", container: {container["name"]})'
    of_image = image.user.partition(":")[0] or "0"
    if user == 0:
        raise Incomplete(f"container's runAsUser breaks non-root policy {where}")
    if user is None and not of_image.isdecimal():
        told = f"has runAsNonRoot and image has non-numeric user ({of_image}), cannot verify user is non-root"
        raise Incomplete(f"container {told} {where}")
    if user is None and int(of_image) == 0:
        raise Incomplete(f"container has runAsNonRoot and image will run as root {where}")


def limits(container: Spec) -> Limits:
    resources = container.get("resources") or {}
    cpus, asked = (resources.get(side, {}).get("cpu") for side in ("limits", "requests"))
    return Limits(
        memory_limit(container) or None,
        None if cpus is None else float(parse_quantity(str(cpus))) or None,
        None if asked is None else float(parse_quantity(str(asked))),
    )


def _of(number: int | None) -> tuple[int, ...]:
    return () if number is None else (number,)


def _labels(context: NodeContext, pod: Spec, container: Spec, number: int) -> dict[str, str]:
    metadata = pod["metadata"]
    return {
        NODE_LABEL: context.node_id,
        POD_LABEL: metadata["uid"],
        INSTANCE_LABEL: f"{container['name']}/{number}",
        # By which other tools know a pod's containers.
        "io.kubernetes.pod.namespace": metadata["namespace"],
        "io.kubernetes.pod.name": metadata["name"],
        "io.kubernetes.container.name": str(container["name"]),
    }
