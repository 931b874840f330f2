"""Whom a container runs as: `securityContext` of pod and container, as a kubelet reads them.

Only root can become somebody else. Where Tidegate runs as an ordinary user, containers run as that user.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tidegate.local.nodes.processes.environment import Incomplete

# Volumes whose files belong to the pod: the others (hostPath) are the machine's.
OWNED = ("emptyDir", "ephemeral", "persistentVolumeClaim", "configMap", "secret", "downwardAPI", "projected")


NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class RunAs:
    """Numbers; None is whoever runs Tidegate. `is_sealed`: no program gives it more rights than it has."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] = ()
    is_sealed: bool = False

    def words(self) -> list[str]:
        """As words of a plan. With a user or a group, the other groups are exactly `groups`."""
        words = [] if self.user is None else ["user", str(self.user)]
        words += [] if self.group is None else ["group", str(self.group)]
        for group in self.groups:
            words += ["groups", str(group)]
        return [*words, *(["sealed", "1"] if self.is_sealed else [])]

    @property
    def home(self) -> str:
        with suppress(KeyError):
            return pwd.getpwuid(self.user or 0).pw_dir
        return "/"


def run_as(
    pod: Mapping[str, Any], container: Mapping[str, Any], me: int | None = None, *, drops_root: bool = False
) -> RunAs:
    """Raises `Incomplete` where the pod forbids root and asks for it. `me` is who runs Tidegate.

    Who forbids root and names no user gets that of the image; here no image says one, so it is nobody,
    unless the image's server becomes a user of its own (`drops_root`).
    """
    me = os.geteuid() if me is None else me
    of_pod = pod["spec"].get("securityContext") or {}
    given = {**of_pod, **{k: v for k, v in (container.get("securityContext") or {}).items() if v is not None}}
    user, group = given.get("runAsUser"), given.get("runAsGroup")
    is_sealed = given.get("allowPrivilegeEscalation") is False
    if me != 0:
        return RunAs(is_sealed=is_sealed)
    if given.get("runAsNonRoot") and user == 0:
        name, namespace, uid = (pod["metadata"][key] for key in ("name", "namespace", "uid"))
        where = f'(pod: "{name}_{namespace}({uid})", container: {container["name"]})'
        raise Incomplete(f"container's runAsUser breaks non-root policy {where}")
    if given.get("runAsNonRoot") and user is None and not drops_root:
        user = NOBODY
    more = {*(of_pod.get("supplementalGroups") or ()), *_of(of_pod.get("fsGroup"))}
    if user is not None:
        with suppress(KeyError):
            known = pwd.getpwuid(user)
            group = known.pw_gid if group is None else group
            more |= set(os.getgrouplist(known.pw_name, known.pw_gid)) - {known.pw_gid}
        group = 0 if group is None else group
    return RunAs(user, group, tuple(sorted(more)), is_sealed)


def _of(number: int | None) -> tuple[int, ...]:
    return () if number is None else (number,)


def ignored(pod: Mapping[str, Any], container: Mapping[str, Any], me: int | None = None) -> str:
    """What to tell where we are not root and something of this is not honoured; "" for nothing."""
    me = os.geteuid() if me is None else me
    wanted = [name for name, _ in unheeded(pod["spec"], container, me)]
    return f"{', '.join(wanted)}: not honoured, {why_unheeded(me)}" if wanted else ""


def unheeded(
    spec: Mapping[str, Any], container: Mapping[str, Any], me: int
) -> Iterator[tuple[str, Literal["pod", "container"]]]:
    """The fields that are not honoured where `me` runs Tidegate, and whose `securityContext` has each."""
    of_pod, own = spec.get("securityContext") or {}, container.get("securityContext") or {}
    if me == 0:
        return
    for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"):
        is_own = name.startswith("runAs") and name in own
        value = own[name] if is_own else of_pod.get(name)
        if value and (name, value) != ("runAsUser", me):
            yield name, "container" if is_own else "pod"


def why_unheeded(me: int) -> str:
    return f"containers run as the user {me} that runs Tidegate"


def give_to_group(pod: Mapping[str, Any], volumes: Mapping[str, Path], me: int | None = None) -> None:
    """What `fsGroup` asks of the pod's own volumes; a claim is walked only if its top is not the group's."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    if group is None or (os.geteuid() if me is None else me) != 0:
        return
    for volume in pod["spec"].get("volumes") or []:
        kind = next((key for key in OWNED if volume.get(key) is not None), None)
        top = volumes.get(volume["name"])
        if kind is None or top is None:
            continue
        is_ours = top.stat().st_gid == group and top.stat().st_mode & 0o2070 == 0o2070
        if kind == "persistentVolumeClaim" and is_ours:
            continue
        is_file_kind = kind in ("configMap", "secret", "downwardAPI", "projected")
        for place, folders, files in os.walk(top):
            for one in (place, *(os.path.join(place, name) for name in files)):
                _give(one, group, 0o040 if is_file_kind else 0o060)
            folders[:] = [name for name in folders if not os.path.islink(os.path.join(place, name))]


def _give(path: str, group: int, more: int) -> None:
    with suppress(OSError):
        seen = os.lstat(path)
        os.chown(path, -1, group, follow_symlinks=False)
        if os.path.islink(path):
            return
        mode = seen.st_mode & 0o7777 | more
        os.chmod(path, mode | 0o2010 if os.path.isdir(path) else mode)
