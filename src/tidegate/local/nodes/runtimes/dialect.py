"""What differs between the command lines of podman, docker and nerdctl. Values only.

Source: the reference pages of `podman create`, `docker container create` and `nerdctl create`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# What an engine's command may read of the server's environment: where it finds its configuration, its
# socket, its programs and a way out. Nothing else of it is written down or handed on.
_ANY = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PREFIXES = ("XDG_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Variables of a container that may not become variables of the engine's command: they could change it.
_GUARDED = ("LD_", "GO", "_", "GLIBC_", "MALLOC_", "LISTEN_", "NOTIFY_", "TMP", "TEMP")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine. `joins` says who has containers in a pod's own network: the engine of root, whose command
    starts them itself, or nobody, where a service does. `always` goes with every `create`, `read_only` with
    a root file system that nobody writes to, `keys` with a terminal, so that no typed keys are taken away;
    `quiet` keeps an engine's own warnings out of a container's log; `remove` ends what runs at once.
    """

    name: str
    joins: Literal["root", "nobody"]
    has_entrypoint_list: bool
    login: Literal["--authfile", "DOCKER_CONFIG"]
    settings: tuple[str, ...]
    replaces: bool = False
    always: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ("--read-only",)
    keys: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    remove: tuple[str, ...] = ("rm", "--force", "--volumes")

    def entrypoint(self, command: str) -> str:
        return json.dumps([command]) if self.has_entrypoint_list else command

    def environment(self, server: Mapping[str, str]) -> dict[str, str]:
        """What of the server's environment the engine's command gets."""
        prefixes = (*_PREFIXES, *self.settings)
        return {name: value for name, value in server.items() if name in _ANY or name.startswith(prefixes)}

    def is_guarded(self, variable: str) -> bool:
        return variable in _ANY or variable.startswith((*_PREFIXES, *_GUARDED, *self.settings))


_KEYS = "--detach-keys=ctrl-],ctrl-^,ctrl-_,ctrl-^,ctrl-]"
DIALECTS: Mapping[str, Dialect] = {
    "podman": Dialect(
        "podman",
        joins="root",
        has_entrypoint_list=True,
        login="--authfile",
        settings=("CONTAINER", "PODMAN_", "STORAGE_", "REGISTRY_", "REGISTRIES_", "NETAVARK_", "DBUS_"),
        replaces=True,
        # Volumes are the pod's folders: where SELinux is on, it would close them to containers.
        always=("--security-opt=label=disable",),
        # As on a cluster: no place in memory that nobody asked for.
        read_only=("--read-only", "--read-only-tmpfs=false"),
        keys=("--detach-keys=",),
        quiet=("--log-level=error",),
        # Else it gives what runs ten seconds.
        remove=("rm", "--force", "--volumes", "--time=0"),
    ),
    "docker": Dialect(
        "docker",
        joins="nobody",
        has_entrypoint_list=False,
        login="DOCKER_CONFIG",
        settings=("DOCKER_",),
        keys=(_KEYS,),
    ),
    "nerdctl": Dialect(
        "nerdctl",
        joins="nobody",
        has_entrypoint_list=False,
        login="DOCKER_CONFIG",
        settings=("DOCKER_", "CONTAINERD_", "NERDCTL_", "CNI_", "BUILDKIT_"),
    ),
}


def exec_words(dialect: Dialect, name: str, command: Sequence[str], *, has_tty: bool) -> list[str]:
    """A further command in a running container."""
    tty = ["--tty", *(dialect.keys if dialect.name != "nerdctl" else ())] if has_tty else []
    return [dialect.name, "exec", "--interactive", *tty, name, *command]


def start_words(dialect: Dialect, name: str, *, has_input: bool, has_tty: bool) -> list[str]:
    """Runs a container that was created, with its output as ours, until it ends; its exit code is ours."""
    words = [dialect.name, *dialect.quiet, "start", "--attach"]
    if has_input:
        words.append("--interactive")
    if has_tty:
        words += dialect.keys
    return [*words, name]
