"""A container as an engine is to make it, and the words that say so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from tidegate.local.nodes.processes.instance import Bind
from tidegate.local.nodes.runtimes.dialect import Dialect

NODE_LABEL, POD_LABEL, INSTANCE_LABEL = "tidegate.dev/node", "tidegate.dev/pod", "tidegate.dev/instance"
_NAME_CHARACTERS = 14


@dataclass(frozen=True, slots=True)
class Security:
    """`user` is "" for the image's own, else `user` or `user:group`, in numbers."""

    user: str = ""
    groups: Sequence[int] = ()
    is_privileged: bool = False
    is_sealed: bool = False
    is_read_only: bool = False
    added: Sequence[str] = ()
    dropped: Sequence[str] = ()
    is_unconfined: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """None for no limit: bytes of memory, cores, and cores that it asks for."""

    memory: int | None = None
    cpus: float | None = None
    asked_cpus: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """`command` takes the place of the image's entrypoint, `args` that of its command; empty: the image's."""

    name: str
    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    binds: Sequence[Bind] = ()
    cwd: str = ""
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    security: Security = field(default_factory=Security)
    limits: Limits = field(default_factory=Limits)
    has_input: bool = False
    has_tty: bool = False
    shares_processes: bool = False
    shares_memory: bool = False


@dataclass(frozen=True, slots=True)
class Creation:
    """A command of the engine's: its words, its standard input, and variables beside its own."""

    words: Sequence[str]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)


def container_name(node_id: str, uid: str, container: str, number: int) -> str:
    """The same for every server of one directory, another for every other; at most 76 characters."""
    mark = sha256(f"{node_id}/{uid}/{container}".encode()).hexdigest()[:8]
    return f"tg-{container[:_NAME_CHARACTERS].rstrip('-')}-{uid}-{number}-{mark}"


def creation(dialect: Dialect, wanted: Wanted) -> Creation:
    """Values of variables are seen by no other user of the machine: they go by the standard input; those of
    several lines by the command's own environment, where they cannot change what it does.
    """
    words = [dialect.name, "create", "--name", wanted.name, "--pull=never", "--log-driver=none"]
    # The command that starts it has entered the pod's network, or shares the machine's.
    words += ["--network=host", *dialect.always]
    words += ["--replace"] * dialect.replaces
    for name, value in wanted.labels.items():
        words += ["--label", f"{name}={value}"]
    if wanted.hostname:
        words.append(f"--hostname={wanted.hostname}")
    lines, env = [], {}
    for name, value in wanted.env.items():
        if "\n" not in value and "\r" not in value and not name.startswith("#"):
            lines.append(f"{name}={value}\n")
        elif dialect.is_guarded(name):
            words.append(f"--env={name}={value}")
        else:
            words.append(f"--env={name}")
            env[name] = value
    words.append("--env-file=/dev/stdin")
    for bind in wanted.binds:
        words += _mount(bind)
    if wanted.cwd:
        words.append(f"--workdir={wanted.cwd}")
    words += _security(dialect, wanted.security)
    words += _limits(wanted.limits)
    words += ["--interactive"] * wanted.has_input + ["--tty"] * wanted.has_tty
    words += ["--pid=host"] * wanted.shares_processes + ["--ipc=host"] * wanted.shares_memory
    if wanted.command:
        words.append(f"--entrypoint={dialect.entrypoint(wanted.command[0])}")
    return Creation([*words, wanted.image, *wanted.command[1:], *wanted.args], "".join(lines).encode(), env)


def _mount(bind: Bind) -> list[str]:
    """A path with a comma in it has no place in the long form, one with a colon none in the short one."""
    is_read_only = bind.is_read_only
    if "," in bind.source or "," in bind.target or '"' in bind.source or '"' in bind.target:
        return ["--volume", f"{bind.source}:{bind.target}{':ro' if is_read_only else ''}"]
    mount = f"type=bind,source={bind.source},target={bind.target}"
    return ["--mount", f"{mount},readonly" if is_read_only else mount]


def _security(dialect: Dialect, security: Security) -> list[str]:
    words = [f"--user={security.user}"] if security.user else []
    words += [f"--group-add={group}" for group in security.groups]
    words += ["--privileged"] * security.is_privileged
    words += ["--security-opt=no-new-privileges"] * (security.is_sealed and not security.is_privileged)
    words += ["--security-opt=seccomp=unconfined"] * security.is_unconfined
    words += dialect.read_only if security.is_read_only else ()
    words += [f"--cap-add={name}" for name in security.added]
    words += [f"--cap-drop={name}" for name in security.dropped]
    words += [f"--sysctl={name}={value}" for name, value in security.sysctls.items()]
    return words


def _limits(limits: Limits) -> list[str]:
    words = [] if limits.memory is None else [f"--memory={limits.memory}"]
    # As on a cluster: who is at its limit is killed, not swapped out.
    words += [] if limits.memory is None else [f"--memory-swap={limits.memory}"]
    words += [] if limits.cpus is None else [f"--cpus={limits.cpus:g}"]
    words += [] if limits.asked_cpus is None else [f"--cpu-shares={max(2, round(limits.asked_cpus * 1024))}"]
    return words
