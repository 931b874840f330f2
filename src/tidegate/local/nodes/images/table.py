"""The table of images: its rows, read from YAML. Pure.

Rows are looked at in order and the first that matches decides: the user's own table, then the files that
`tidegate images add` wrote, then the built-in one, `images.yaml` beside this module, which says what each
key means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

import yaml

from tidegate.base.errors import Misconfigured

BUILT_IN = "images.yaml"
ENTRYPOINTS = "tidegate.local.entrypoints"
ALL_ARGUMENTS = ("*",)
INSTALLERS = ("apt", "dnf", "apk", "brew", "pip")
WORDS: Mapping[str, Any] = {"images": [], "command": [], "args": [], "takes": [], "default": []}
PLACES: Mapping[str, Any] = {"foundIn": [], "lookIn": [], "path": [], "files": []}
REST: Mapping[str, Any] = {"env": {}, "packages": {}, "workingDir": "", "entrypoint": "", "data": ""}
KNOWN = {**WORDS, **REST, **PLACES}


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder of the image: a copy of `source` appears at `target` in each container."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `images` are globs over the name without registry and `library/`.

    Arguments whose first one matches `takes` go to `command`; any others are a command line by themselves.
    `default` are the arguments where the container gives none.
    """

    images: tuple[str, ...]
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    takes: tuple[str, ...] = ALL_ARGUMENTS
    default: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    found_in: tuple[str, ...] = ()
    look_in: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    entrypoint: str = ""
    data: str = ""
    files: tuple[File, ...] = ()

    def is_meant(self, image: str) -> bool:
        return any(fnmatchcase(name, glob) for glob in self.images for name in short_names(image))

    def is_own(self, word: str) -> bool:
        """Whether a command's first word is what the image would run anyway."""
        is_entrypoint = word.rpartition("/")[2] in ("docker-entrypoint.sh", "entrypoint.sh")
        return bool(self.command) and (word == self.command[0] or (is_entrypoint and bool(self.entrypoint)))

    def is_taken(self, args: Sequence[str]) -> bool:
        """Whether the image's program gets these arguments."""
        return not args or any(fnmatchcase(args[0], pattern) for pattern in self.takes)


def row_text(entry: Entry) -> str:
    """A table of this one row, as `parse` reads it."""
    files = [{"source": one.source, "target": one.target} for one in entry.files]
    row = {
        "images": [*entry.images], "command": [*entry.command], "args": [*entry.args],
        "takes": [*entry.takes], "default": [*entry.default], "env": dict(entry.env),
        "packages": dict(entry.packages),
        "workingDir": entry.working_dir, "foundIn": [*entry.found_in], "lookIn": [*entry.look_in],
        "path": [*entry.path], "entrypoint": entry.entrypoint, "data": entry.data, "files": files,
    }  # fmt: skip
    kept = {key: value for key, value in row.items() if value and (key, value) != ("takes", ["*"])}
    return yaml.safe_dump({"images": [kept]}, sort_keys=False, allow_unicode=True)


def short_names(image: str) -> tuple[str, ...]:
    """Names that a glob may match: as written, without registry and `library/`, and without the tag."""
    bare = image.partition("@")[0]
    first, slash, rest = bare.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        bare = rest
    bare = bare.removeprefix("library/")
    return tuple(dict.fromkeys((image, bare, re.sub(r":[^/:]*$", "", bare))))


def built_in() -> tuple[Entry, ...]:
    return parse((resources.files(__package__) / BUILT_IN).read_text("utf-8"), BUILT_IN)


def entrypoints() -> frozenset[str]:
    """The names that a table may give as `entrypoint`."""
    folder = resources.files(ENTRYPOINTS)
    names = {file.name.removesuffix(".py") for file in folder.iterdir() if file.name.endswith(".py")}
    return frozenset(name for name in names if not name.startswith("_")) - {"box", "first_start", "mounts"}


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
    problems += [f"{at}.{key}: unknown; known: {', '.join(KNOWN)}" for key in row if key not in KNOWN]
    values: dict[str, Any] = {}
    for key, default in KNOWN.items():
        value = row.get(key) or default
        if not isinstance(value, type(default)):
            problems.append(f"{at}.{key}: expected a {type(default).__name__}")
            value = default
        values[key] = value
    problems += [f"{at}.{problem}" for problem in _mistakes(values)]
    words = {key: tuple(map(str, values[key])) for key in WORDS}
    return Entry(
        images=words["images"],
        command=words["command"],
        args=words["args"],
        takes=words["takes"] or ALL_ARGUMENTS,
        default=words["default"],
        env={str(name): str(value) for name, value in values["env"].items()},
        packages={str(name): str(value) for name, value in values["packages"].items()},
        working_dir=values["workingDir"],
        found_in=tuple(map(str, values["foundIn"])),
        look_in=tuple(map(str, values["lookIn"])),
        path=tuple(map(str, values["path"])),
        entrypoint=values["entrypoint"],
        data=values["data"],
        files=tuple(File(**one) for one in values["files"] if _is_file(one)),
    )


def _mistakes(values: Mapping[str, Any]) -> list[str]:
    found = []
    if not values["images"]:
        found.append("images: at least one pattern is needed")
    if values["entrypoint"] not in ("", *entrypoints()):
        found.append(f"entrypoint: unknown; known: {', '.join(sorted(entrypoints()))}")
    if values["entrypoint"] and not (values["command"] and values["data"]):
        found.append("entrypoint: needs a command and a data folder")
    unknown = [name for name in values["packages"] if name not in INSTALLERS]
    found += [f"packages.{name}: unknown; known: {', '.join(INSTALLERS)}" for name in unknown]
    wrong = [index for index, one in enumerate(values["files"]) if not _is_file(one)]
    return found + [f"files[{index}]: expected source and target, both absolute paths" for index in wrong]


def _is_file(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.keys() == {"source", "target"}
        and all(isinstance(path, str) and path.startswith("/") for path in one.values())
    )
