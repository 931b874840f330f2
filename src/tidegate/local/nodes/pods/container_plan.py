"""What a container is to run: its Pod, turned into a plan for the launcher."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.base.quantity import parse_quantity
from tidegate.local.api_access import ACCOUNT_FOLDER
from tidegate.local.entrypoints.box import DATA_VARIABLE
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.images import scripts
from tidegate.local.nodes.images.table import short_names
from tidegate.local.nodes.network.host_names import replace_names
from tidegate.local.nodes.places.name_files import name_files
from tidegate.local.nodes.places.pod_place import has_network
from tidegate.local.nodes.processes import last_words
from tidegate.local.nodes.processes.account_tokens import AccountTokens, first_renewal
from tidegate.local.nodes.processes.environment import Refers, command_line, environment
from tidegate.local.nodes.processes.instance import Bind, Plan
from tidegate.local.nodes.processes.pod_naming import pod_names
from tidegate.local.nodes.processes.process import INSTANCE_VARIABLE, NODE_VARIABLE, UID_VARIABLE
from tidegate.local.nodes.processes.run_as import give_to_group, ignored, run_as
from tidegate.local.nodes.processes.volumes import Unmountable, Volumes, binds, read_only

log = logging.getLogger(__name__)

# As in an image: what `pip` installs is the container's own, whoever else manages the machine's Python.
PIP = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore"}
# In a network of its own a pod's program listens as on a cluster: its containers share 127.0.0.1 as well.
EVERYWHERE = "0.0.0.0"
# What an event's message may hold.
LONGEST_EVENT = 1024


def plan(context: NodeContext, pod: Mapping[str, Any], container: Mapping[str, Any], number: int) -> Plan:
    """The plan of the instance `number`; writes the volumes' content that it needs.

    Raises `Incomplete`, `Unmountable`, `Unnameable`, `NoProgram` or `Misconfigured`: reasons to wait, not
    failures.
    """
    metadata, security = pod["metadata"], container.get("securityContext") or {}
    refers: Refers = context.refers(metadata["namespace"])
    env = environment(pod, container, refers, _inherited(context), api_address(context, pod))
    command, args = command_line(container, env)
    image, address = str(container.get("image", "")), pod["status"]["podIP"]
    listen = EVERYWHERE if has_network(context, pod) else address
    program = context.images.program(image, command, args, env, address, listen)
    runs_as = run_as(pod, container, drops_root=bool(program.data))
    installs = PIP if context.view.kind in ("whole", "places") else {}
    env |= {name: value for name, value in {**installs, **program.env}.items() if name not in env}
    env["PATH"] = os.pathsep.join([*program.path, env.get("PATH", os.defpath), *program.folders])
    folder = context.pod_folder(metadata["uid"])
    wanted = binds(container, fill_volumes(context, pod, refers), env, read_only(pod))
    wanted += [
        Bind(one.source, one.target, is_copy=True)
        for one in program.files
        if not _is_covered(one.target, wanted)
    ]
    if runs_as.user and env.get("HOME") == context.inherited.get("HOME"):
        env["HOME"] = runs_as.home
    if program.data:
        env[DATA_VARIABLE] = _storage(
            folder / ".data" / str(container["name"]), program.data, wanted, context, runs_as.user
        )
    words, cwd = program.args, container.get("workingDir") or program.working_dir
    if context.refused:
        # Else no pod would run there: every one has this mount, and few need it.
        wanted = [bind for bind in wanted if bind.target != ACCOUNT_FOLDER]
        if wanted:
            raise Unmountable(without_mounts(wanted, context.refused))
        env = {name: replace_names(value, context.services) for name, value in env.items()}
        words = [replace_names(word, context.services) for word in words]
        cwd = cwd or _own_folder(folder)
    else:
        wanted += name_files(context, pod)
        words_file = folder / f"{container['name']}/{number}" / last_words.FILE
        wanted += last_words_bind(words_file, container, wanted)
    env |= marks(context, pod, container, number)
    return Plan(
        words,
        env,
        cwd or "/",
        pod_names(pod).kernel,
        wanted,
        context.view,
        [str(place) for place in context.hidden],
        bool(security.get("privileged")),
        has_network(context, pod),
        runs_as,
        _group(context, pod, container, number),
        has_input=bool(container.get("stdin")),
        has_tty=bool(container.get("tty")),
        is_read_only=bool(security.get("readOnlyRootFilesystem")),
    )


def marks(
    context: NodeContext, pod: Mapping[str, Any], container: Mapping[str, Any], number: int
) -> dict[str, str]:
    """By these the node knows its processes, whatever becomes of what runs them."""
    return {
        UID_VARIABLE: pod["metadata"]["uid"],
        NODE_VARIABLE: context.node_id,
        INSTANCE_VARIABLE: f"{container['name']}/{number}",
    }


def last_words_bind(file: Path, container: Mapping[str, Any], wanted: list[Bind]) -> list[Bind]:
    """The file that the program may write its last words to."""
    place = container.get("terminationMessagePath") or ""
    if not place.startswith("/") or _is_covered(place, wanted):
        return []
    return [Bind(str(file), place)]


def _is_covered(place: str, wanted: list[Bind]) -> bool:
    return any(place == bind.target or place.startswith(bind.target.rstrip("/") + "/") for bind in wanted)


def _storage(own: Path, place: str, wanted: list[Bind], context: NodeContext, user: int | None) -> str:
    """Where the container finds its image's data: a volume of the pod, or a folder of its own."""
    if _is_covered(place, wanted):
        return place
    own.mkdir(parents=True, exist_ok=True)
    if user:
        os.chown(own, user, -1)
    if context.refused:
        return str(own)
    wanted.append(Bind(str(own), place))
    return place


def fill_volumes(context: NodeContext, pod: Mapping[str, Any], refers: Refers) -> dict[str, Path]:
    """The pod's volumes with their present content. Raises `Unmountable`."""
    metadata = pod["metadata"]
    tokens = AccountTokens(context.access, context.clock.now().timestamp())
    volumes = Volumes(
        _volumes_of(context, pod), context.claims, context.claimed(metadata["namespace"]), tokens
    )
    found = volumes.prepare(pod, refers)
    give_to_group(pod, found)
    return found


def notices(
    context: NodeContext, pod: Mapping[str, Any], container: Mapping[str, Any], plan: Plan
) -> Iterator[tuple[str, str]]:
    """What of the container is not as the manifest has it, though it runs: (reason, message)."""
    image = str(container.get("image", ""))
    script = scripts.lacking(plan.args, plan.cwd, [bind.target for bind in plan.binds])
    if script and context.images.entry(image) is None:
        way = scripts.way_out(short_names(image)[-1])
        yield "UnknownImage", f'image "{image}" {scripts.told_of(script)}; {way}'[:LONGEST_EVENT]
    if image not in context.told and (told := context.python.differs(image)):
        context.told.add(image)
        yield "OtherVersion", told
    if told := "; ".join(filter(None, (*unhonoured(context, pod, container), ignored(pod, container)))):
        yield "NotHonoured", told[:LONGEST_EVENT]


def unhonoured(context: NodeContext, pod: Mapping[str, Any], container: Mapping[str, Any]) -> Sequence[str]:
    """What nobody honours of the pod; told with its first container."""
    is_first = container["name"] == pod["spec"]["containers"][0]["name"]
    return context.unhonoured(dict(pod)) if is_first else ()


def memory_limit(container: Mapping[str, Any]) -> int | None:
    """In bytes."""
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return None if limit is None else int(parse_quantity(str(limit)))


def _group(context: NodeContext, pod: Mapping[str, Any], container: Mapping[str, Any], number: int) -> str:
    """The control group of the instance; "" without a limit, and where limits are watched."""
    limit = memory_limit(container)
    if not limit or context.groups is None:
        return ""
    try:
        return str(context.groups.make(f"{pod['metadata']['uid']}.{container['name']}.{number}", limit))
    except OSError as error:
        log.warning("memory is watched from now on: no group", extra={"answer": error.strerror})
        context.groups = None
        return ""


def renewal_s(context: NodeContext, pod: Mapping[str, Any]) -> float | None:
    """Seconds until the first of the pod's tokens is to be renewed; None when it has none."""
    moment = first_renewal(pod, _volumes_of(context, pod)) if context.access is not None else None
    return None if moment is None else moment - context.clock.now().timestamp()


def _volumes_of(context: NodeContext, pod: Mapping[str, Any]) -> Path:
    return context.pod_folder(pod["metadata"]["uid"]) / ".volumes"


def names(spec: Mapping[str, Any]) -> frozenset[str]:
    """The names of all that a pod may refer to (and some more): ConfigMaps, Secrets, claims."""
    found: set[str] = set()
    left: list[Any] = [spec.get("volumes")]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        left += [container.get("env"), container.get("envFrom")]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            found.update(str(value[key]) for key in ("name", "secretName", "claimName") if key in value)
            left += value.values()
        elif isinstance(value, list):
            left += value
    return frozenset(found)


def api_address(context: NodeContext, pod: Mapping[str, Any]) -> tuple[str, int] | None:
    """Where a pod on the machine's network finds the API; None for those that find it by its Service."""
    access = None if has_network(context, pod) else context.access
    return access.address if access is not None else None


def _inherited(context: NodeContext) -> Mapping[str, str]:
    path = context.python.path(context.inherited.get("PATH", os.defpath))
    return {**context.inherited, "PATH": path}


def _own_folder(folder: Path) -> str:
    place = folder / ".work"
    place.mkdir(parents=True, exist_ok=True)
    return str(place)


def without_mounts(wanted: list[Bind], why: str) -> str:
    """What to do where the machine allows no private mounts."""
    return (
        f"cannot mount at {', '.join(bind.target for bind in wanted)}: this machine refuses private mounts "
        f"({why}); allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 or "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container, its seccomp profile), or run as root"
    )


def told_in_files(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a running Pod may change and stands in its files."""
    volumes = pod["spec"].get("volumes") or []
    sources = [*volumes, *(one for v in volumes for one in (v.get("projected") or {}).get("sources") or [])]
    if not any(source.get("downwardAPI") for source in sources):
        return {}
    metadata = pod["metadata"]
    return {key: metadata.get(key) or {} for key in ("labels", "annotations")}
