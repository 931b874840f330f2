"""Manifest files as objects: YAML or JSON, several documents a file, folders, standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from tidegate.api.yamltext import Loader, Unreadable, documents
from tidegate.base.errors import Misconfigured

__all__ = ["Document", "Loader", "Read", "Spot", "Wrong", "load", "parse", "read"]

SUFFIXES = (".yaml", ".yml", ".json")
FOLDERS_SHOWN = 5
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_URLS = ("http://", "https://")
_ITEM = re.compile(r"\[([0-9]{1,9})\]")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file, from 1; 0 for what is not known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *(str(one) for one in (self.line, self.column) if one)])


@dataclass(frozen=True, slots=True)
class Document:
    """One object with the place it was written at (`file.yaml:12`), and its YAML for finer places."""

    body: dict[str, Any]
    place: str
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def place_of(self, path: str) -> str:
        """`spot_of` as a text: `file.yaml:12`."""
        spot = self.spot_of(path)
        return str(Spot(spot.file, spot.line))

    def spot_of(self, path: str) -> Spot:
        """Where a field stands (`spec.triggers[1].metadata.listLength`), or the nearest above it."""
        if self.node is None:
            return Spot(self.place)
        mark, _, _ = self._walk(self.node, path)
        return Spot(self.place.rpartition(":")[0], mark.line + 1, mark.column + 1)

    def text_of(self, path: str) -> str:
        """A plain or quoted text as it stands in the file; empty for what is none, or not there."""
        if self.node is None:
            return ""
        _, node, rest = self._walk(self.node, path)
        return str(node.value) if isinstance(node, yaml.ScalarNode) and not rest else ""

    def _walk(self, node: yaml.Node, path: str) -> tuple[Any, yaml.Node, str]:
        """The mark and the node of the nearest field to a path, and what of the path is left."""
        mark = node.start_mark
        while path:
            found = _step(node, path)
            if found is None:
                break
            mark, node, path = found
        return mark, node, path


@dataclass(frozen=True, slots=True)
class Wrong:
    """What could not be read: `place` is `file.yaml:3:7`, or the file or folder alone."""

    spot: Spot
    text: str

    @property
    def place(self) -> str:
        return str(self.spot)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Read:
    """The objects of files, in order, and everything that is no object; `files` are the names of all.

    `skipped` are files without any object, and folders of a folder: nothing is wrong with them.
    """

    documents: tuple[Document, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    files: tuple[str, ...] = ()
    skipped: tuple[Wrong, ...] = ()


def load(paths: tuple[str, ...], *, is_for_reading: bool = False) -> list[Document]:
    """Every object of the files and folders (`-` is standard input), lists unfolded, in order.

    Raises Misconfigured with everything that cannot be read or parsed, and where there is no object at all.
    A command that only reads (`is_for_reading`) need not say that it has done nothing.
    """
    found = read(paths)
    if found.wrong:
        step = "correct that and run the command again"
        raise Misconfigured(
            "read the manifests",
            answer="; ".join(str(one) for one in found.wrong),
            next_step=step if is_for_reading else f"nothing was done; {step}",
        )
    if not found.documents:
        raise Misconfigured(
            "read the manifests", answer=emptiness(paths), next_step="name a file that is more than comments"
        )
    return list(found.documents)


def emptiness(paths: tuple[str, ...]) -> str:
    """A sentence on files without any object, by their names."""
    return f"{', '.join(_shown(one) for one in paths)}: there is no object in it"


def named(*given: tuple[str, ...]) -> tuple[str, ...]:
    """The files that a call names, with -f or without. click.UsageError where it names none."""
    paths = tuple(one for some in given for one in some)
    if not paths:
        import click

        raise click.UsageError("Name a file, a folder, or - for standard input.")
    return paths


def read(paths: tuple[str, ...]) -> Read:
    """What the files and folders hold. What is wrong in one takes nothing from the others."""
    found: list[Document] = []
    wrong: list[Wrong] = []
    names: list[str] = []
    skipped = [one for path in paths for one in _folders(Path(path))]
    for name, text in _texts(paths, wrong):
        one = parse(name, text)
        names.append(name)
        if not one.documents and not one.wrong:
            skipped.append(Wrong(Spot(name), "there is no object in it"))
        found += one.documents
        wrong += one.wrong
    return Read(tuple(found), tuple(wrong), tuple(names), tuple(skipped))


def _folders(path: Path) -> Iterator[Wrong]:
    """Folders with manifests beside the manifests of a folder: they are not looked into."""
    if path.is_dir() and any(one.suffix in SUFFIXES and one.is_file() for one in path.iterdir()):
        for folder in sorted(one for one in path.iterdir() if one.is_dir()):
            if any(one.suffix in SUFFIXES for one in folder.iterdir()):
                yield Wrong(Spot(str(folder)), "folders in a folder are not looked into; name it too")


def parse(name: str, text: str) -> Read:
    """What one text holds; `name` is its file. It is read up to where it is no YAML."""
    found: list[Document] = []
    wrong: list[Wrong] = []
    errors: list[Unreadable] = []
    try:
        for node, body in documents(text, errors):
            _unfold(name, body, node, found, wrong)
    except Unreadable as error:
        errors.append(error)
    wrong += dict.fromkeys(Wrong(Spot(name, one.line, one.column), one.text) for one in errors)
    return Read(tuple(found), tuple(wrong), (name,))


def _texts(paths: tuple[str, ...], wrong: list[Wrong]) -> Iterator[tuple[str, str]]:
    for given in paths:
        try:
            if given == "-":
                yield _shown(given), sys.stdin.read()
                continue
            if given.startswith(_URLS):
                wrong.append(Wrong(Spot(given), "URLs are not read; download it, and name the file"))
                continue
            files = _files(Path(given))
        except UnicodeDecodeError as error:
            wrong.append(Wrong(Spot(_shown(given)), f"it is not UTF-8 (byte {error.start})"))
            continue
        except (OSError, Misconfigured) as error:
            wrong.append(Wrong(Spot(given), _cause(error)))
            continue
        for file in files:
            try:
                yield str(file), file.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                wrong.append(
                    Wrong(Spot(str(file)), f"it is not UTF-8 (byte {error.start}); save it as UTF-8")
                )
            except OSError as error:
                wrong.append(Wrong(Spot(str(file)), _cause(error)))


def _shown(given: str) -> str:
    return "standard input" if given == "-" else given


def _files(path: Path) -> list[Path]:
    """The path itself, or a folder's manifests by name; Misconfigured where it has none, or they are only
    parts of what kustomize makes."""
    if not path.is_dir():
        if path.name in _KUSTOMIZATIONS:
            raise Misconfigured("read the file", answer=_unbuilt(path.parent))
        return [path]
    inside = sorted(path.iterdir())
    if any(one.name in _KUSTOMIZATIONS for one in inside):
        raise Misconfigured("read the folder", answer=_unbuilt(path))
    # A link that leads nowhere is a manifest that cannot be read, and no file that is left out.
    files = [one for one in inside if one.suffix in SUFFIXES and (one.is_file() or not one.exists())]
    if not files:
        folders = [one.name for one in inside if one.is_dir() and not one.name.startswith((".", "_"))]
        answer = f"no file in it ends with {', '.join(SUFFIXES)}"
        if folders:
            names = ", ".join(folders[:FOLDERS_SHOWN]) + (", …" if len(folders) > FOLDERS_SHOWN else "")
            answer += f", and its folders are not looked into: name them ({names})"
        raise Misconfigured("read the folder", answer=answer)
    return files


def _unbuilt(folder: Path) -> str:
    """What to do, as a line to paste: the command is the one that runs."""
    context = click.get_current_context(silent=True)
    command = (context.info_name if context is not None else None) or "validate"
    if context is not None and context.params.get("is_local"):
        command += " --local"
    return (
        "its files are parts that kustomize puts together; give this command what comes out: "
        f"kubectl kustomize {folder} | tidegate {command} -f -"
    )


def _cause(error: OSError | Misconfigured) -> str:
    return error.answer if isinstance(error, Misconfigured) else (error.strerror or str(error)).lower()


def _step(node: yaml.Node, path: str) -> tuple[Any, yaml.Node, str] | None:
    """One step down: the mark and the node of a member or an item, and the rest of the path.

    A key may hold dots and brackets itself: the longest that fits is meant.
    """
    if isinstance(node, yaml.SequenceNode):
        number = _ITEM.match(path)
        if number is None or int(number[1]) >= len(node.value):
            return None
        item = node.value[int(number[1])]
        return item.start_mark, item, path[number.end() :].removeprefix(".")
    if not isinstance(node, yaml.MappingNode):
        return None
    fitting = [
        (key, value)
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode)
        and path.startswith(key.value)
        and path[len(key.value) :][:1] in ("", ".", "[")
    ]
    if not fitting:
        return None
    key, value = max(fitting, key=lambda pair: len(pair[0].value))
    return key.start_mark, value, path[len(key.value) :].removeprefix(".")


def _unfold(name: str, body: Any, node: yaml.Node | None, found: list[Document], wrong: list[Wrong]) -> None:
    """Adds the object, or those of a list; or what keeps it from being one."""
    spot = Spot(name, node.start_mark.line + 1) if node is not None else Spot(name)
    if not isinstance(body, dict):
        what = {list: "list", str: "text", type(None): "null"}.get(type(body), "value")
        answer = f"this {what} is not an object; begin with apiVersion, kind and metadata"
        wrong.append(Wrong(spot, answer))
        return
    missing = [one for one in ("apiVersion", "kind") if not isinstance(body.get(one), str) or not body[one]]
    if missing:
        wrong.append(Wrong(spot, f"the object has no {' and no '.join(missing)}"))
        return
    if body["kind"].endswith("List") and isinstance(body.get("items"), list):
        nodes = _items(node, len(body["items"]))
        for item, below in zip(body["items"], nodes, strict=True):
            _unfold(name, item, below or node, found, wrong)
    elif not isinstance(body.get("metadata", {}), dict):
        wrong.append(Wrong(spot, f"metadata of {body['kind']} is no mapping; give it a name"))
    else:
        found.append(Document(body, str(spot), node))


def _items(node: yaml.Node | None, count: int) -> list[yaml.Node | None]:
    """The nodes of a list's items; None for those that are written elsewhere."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "items" and isinstance(value, yaml.SequenceNode) and len(value.value) == count:
                return list(value.value)
    return [None] * count
