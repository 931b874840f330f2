"""A Pod's volumes as directories of this machine, and where its containers see them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.local.nodes.processes.account_tokens import NO_TOKENS, AccountTokens
from tidegate.local.nodes.processes.cgroups import kills, release
from tidegate.local.nodes.processes.environment import Incomplete, Refers, expand, field_value, resource_value
from tidegate.local.nodes.processes.instance import Bind, Instance

FILE_MODE = 0o644
Claimed = str | Mapping[str, Any]
# As a kubelet has it: programs that wait for a change watch this name.
_DATA, _VERSION = "..data", "..version-"
# Keys of a volume's spec that say nothing about where its content is.
_ABOUT = (
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
)  # fmt: skip
File = tuple[bytes, int]


class Unmountable(Exception):
    """A volume that is not there, or not yet; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """Where volumes live: those of the pod below `folder`, those made for claims below `claims`.

    `claimed` gives what a PersistentVolumeClaim of the pod's namespace is bound to: the name of a folder
    below `claims`, or the spec of a volume that somebody made; None if there is no claim. `tokens` are those
    of the pod's ServiceAccount.
    """

    folder: Path
    claims: Path
    claimed: Callable[[str], Claimed | None]
    tokens: AccountTokens = NO_TOKENS

    def prepare(self, pod: Mapping[str, Any], refers: Refers) -> dict[str, Path]:
        """The path of each volume by name, created and filled. Raises `Unmountable`. Safe to repeat."""
        return {v["name"]: self._one(v, pod, refers) for v in pod["spec"].get("volumes") or []}

    def _one(self, volume: Mapping[str, Any], pod: Mapping[str, Any], refers: Refers) -> Path:
        place = self.folder / str(volume["name"])
        kinds = [key for key in volume if key != "name" and volume[key] is not None]
        kind = kinds[0] if kinds else "emptyDir"
        source = volume.get(kind) or {}
        if kind in ("emptyDir", "ephemeral"):
            if not place.is_dir():
                place.mkdir(parents=True)
                place.chmod(0o777)
            return place
        if kind == "persistentVolumeClaim":
            return self._claim(source["claimName"])
        if kind == "hostPath":
            return _host_path(source)
        if kind in ("configMap", "secret", "downwardAPI", "projected"):
            try:
                files = _files(kind, source, pod, refers)
                if kind == "projected":
                    files |= self.tokens.files(source, pod, place)
            except Incomplete as error:
                raise Unmountable(
                    f'MountVolume.SetUp failed for volume "{volume["name"]}": {error}'
                ) from error
            write_files(place, files)
            return place
        raise Unmountable(
            f'volume "{volume["name"]}": {kind} volumes are not offered here; '
            "use a persistentVolumeClaim, emptyDir or hostPath"
        )

    def _claim(self, name: str) -> Path:
        found = self.claimed(name)
        if found is None:
            raise Unmountable(f'persistentvolumeclaim "{name}" not found')
        if not isinstance(found, str):
            return _made_by_hand(name, found)
        place = self.claims / found
        if not place.is_dir():
            place.mkdir(parents=True)
            place.chmod(0o777)
        return place


def _made_by_hand(claim: str, spec: Mapping[str, Any]) -> Path:
    """The folder of this machine that a PersistentVolume stands for."""
    for kind in ("hostPath", "local"):
        if spec.get(kind):
            return _host_path(spec[kind])
    kinds = ", ".join(sorted(key for key in spec if key not in _ABOUT)) or "no source"
    raise Unmountable(
        f'the volume of persistentvolumeclaim "{claim}" is of a kind that is not offered here ({kinds}); '
        "use hostPath or local"
    )


_IS_KIND: dict[str, tuple[str, Callable[[Path], bool]]] = {
    "Directory": ("a directory", Path.is_dir),
    "DirectoryOrCreate": ("a directory", Path.is_dir),
    "File": ("a file", Path.is_file),
    "FileOrCreate": ("a file", Path.is_file),
    "Socket": ("a socket", Path.is_socket),
    "CharDevice": ("a character device", Path.is_char_device),
    "BlockDevice": ("a block device", Path.is_block_device),
}


def _host_path(source: Mapping[str, Any]) -> Path:
    place, kind = Path(source["path"]), source.get("type") or ""
    try:
        if kind == "DirectoryOrCreate":
            place.mkdir(parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            place.touch(exist_ok=True)
    except OSError as error:
        raise Unmountable(f"hostPath {place} cannot be made: {error.strerror}") from error
    if why := host_path_problem(place, kind):
        raise Unmountable(why)
    return place


def host_path_problem(place: Path, kind: str) -> str:
    """Why the machine has nothing of this type there; "" where it has."""
    if not place.exists():
        hint = "; create it, or say type: DirectoryOrCreate" if not kind else ""
        return f"hostPath {place}: no such file or directory{hint}"
    if kind in _IS_KIND and not _IS_KIND[kind][1](place):
        return f"hostPath {place} is not {_IS_KIND[kind][0]}"
    return ""


def _files(kind: str, source: Mapping[str, Any], pod: Mapping[str, Any], refers: Refers) -> dict[str, File]:
    mode = source.get("defaultMode")
    mode = FILE_MODE if mode is None else int(mode)
    if kind == "projected":
        files: dict[str, File] = {}
        for part in source.get("sources") or []:
            for inner in ("configMap", "secret", "downwardAPI"):
                if part.get(inner):
                    files |= _files(inner, {"defaultMode": mode, **part[inner]}, pod, refers)
        return files
    if kind == "downwardAPI":
        return {
            item["path"]: (_downward(item, pod, refers), item.get("mode") or mode) for item in source["items"]
        }
    name = source.get("name") or source.get("secretName") or ""
    values = refers.config_map(name) if kind == "configMap" else refers.secret(name)
    if values is None:
        if source.get("optional"):
            return {}
        raise Incomplete(f'{kind.lower()} "{name}" not found')
    if not source.get("items"):
        return {key: (value, mode) for key, value in values.items()}
    files = {}
    for item in source["items"]:
        if item["key"] in values:
            files[item["path"]] = (values[item["key"]], item.get("mode") or mode)
        elif not source.get("optional"):
            raise Incomplete(f'{kind.lower()} "{name}" has no key {item["key"]}')
    return files


def _downward(item: Mapping[str, Any], pod: Mapping[str, Any], refers: Refers) -> bytes:
    if item.get("fieldRef"):
        return field_value(pod, item["fieldRef"]["fieldPath"]).encode()
    wanted = item["resourceFieldRef"]
    return resource_value(pod, pod["spec"]["containers"][0], wanted, refers).encode()


def write_files(place: Path, files: Mapping[str, File]) -> None:
    """Makes the directory hold exactly these files, all at once, as a kubelet does.

    They lie in a folder of their own, to which `..data` leads, and each name in the volume leads through it:
    one rename changes all of them, and a server killed anywhere leaves the old ones or the new.
    """
    place.mkdir(parents=True, exist_ok=True)
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise Unmountable(f"path {name} leaves its volume")
    link = place / _DATA
    if not _holds(link, files):
        fresh = Path(tempfile.mkdtemp(prefix=_VERSION, dir=place))
        fresh.chmod(0o755)
        for name, (content, mode) in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
        _lead(link, fresh.name)
    names = {name.split("/")[0] for name in files}
    for name in names:
        _lead(place / name, f"{_DATA}/{name}")
    kept = {_DATA, os.readlink(link), *names}
    for left in [one for one in place.iterdir() if one.name not in kept]:
        remove(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _lead(link: Path, target: str) -> None:
    """Lets a link lead to `target`, in one step."""
    if link.is_symlink() and os.readlink(link) == target:
        return
    if link.is_dir() and not link.is_symlink():
        # Of an older version of this program, which kept the files themselves here.
        remove(link)
    fresh = link.with_name(f"..{link.name.lstrip('.')}_tmp")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)


def _holds(link: Path, files: Mapping[str, File]) -> bool:
    """Whether the folder that `link` leads to has exactly these files."""
    if not link.is_dir():
        return False
    there = {str(one.relative_to(link)): one for one in link.rglob("*") if not one.is_dir()}
    # `fsGroup` lets the group read what the mode does not.
    return there.keys() == files.keys() and all(
        (file.stat().st_mode ^ mode) & 0o777 & ~0o040 == 0 and file.read_bytes() == content
        for file, (content, mode) in ((there[name], files[name]) for name in files)
    )


def read_only(pod: Mapping[str, Any]) -> frozenset[str]:
    """The volumes that no container may write to, whatever its mounts say."""
    volumes = pod["spec"].get("volumes") or ()
    return frozenset(
        one["name"] for one in volumes if (one.get("persistentVolumeClaim") or {}).get("readOnly")
    )


def binds(
    container: Mapping[str, Any],
    volumes: Mapping[str, Path],
    env: Mapping[str, str],
    closed: Collection[str] = (),
) -> list[Bind]:
    """The container's mounts, those of `closed` volumes for reading. Raises `Unmountable` for a subPath that
    leaves its volume.
    """
    result = []
    for wanted in container.get("volumeMounts") or []:
        source = volumes.get(wanted["name"])
        if source is None:
            raise Unmountable(f'volumeMount "{wanted["name"]}" names no volume of the pod')
        below = wanted.get("subPath") or expand(wanted.get("subPathExpr") or "", env)
        if below:
            inner = source / below
            if below.startswith("/") or not inner.resolve().is_relative_to(source.resolve()):
                raise Unmountable(f"subPath {below} leaves its volume")
            if not inner.exists():
                inner.mkdir(parents=True)
            # A file of a ConfigMap is mounted as it is now: what comes later is not seen, as on a cluster.
            source = inner.resolve() if inner.is_symlink() else inner
        target = wanted["mountPath"]
        is_closed = bool(wanted.get("readOnly")) or wanted["name"] in closed
        result.append(Bind(str(source), target if target.startswith("/") else f"/{target}", is_closed))
    return result


def drop(instance: Instance) -> None:
    """Removes what an instance that has ended held: what it wrote outside its volumes, and its group."""
    if group := instance.head().get("cgroup"):
        if kills(Path(group[0])):
            instance.mark_out_of_memory()
        release(Path(group[0]))
    remove(instance.files)


def remove(folder: Path) -> None:
    """Removes a directory tree; what cannot be removed now is tried again at the next start."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir() and os.geteuid() != 0:
        # Directories that their owner closed to himself: containers may, and the kernel does in `fs`.
        for place, names, _ in os.walk(folder):
            for name in names:
                inner = os.path.join(place, name)
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
