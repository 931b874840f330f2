"""Manifest files as objects: YAML or JSON, several documents a file, folders, standard input.

Stricter than YAML by itself where it hurts: a key that stands twice is refused, and dates, `1:30` and the
like stay the text that was written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tidegate.base.errors import Misconfigured

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """One object with the place it was written at (`file.yaml:12`), and its YAML for finer places."""

    body: dict[str, Any]
    place: str
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def place_of(self, path: str) -> str:
        """Where a field stands (`spec.triggers[1].metadata.listLength`), or the nearest above it."""
        name = self.place.rpartition(":")[0]
        node = self.node
        if node is None:
            return self.place
        line = node.start_mark.line
        for step in re.findall(r"[^.\[\]]+|\[\d+\]", path):
            found = _step(node, step)
            if found is None:
                break
            line, node = found
        return f"{name}:{line + 1}"


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Safe, refuses duplicate keys, and reads only null, booleans, integers and plain floats as such."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key}" stands here twice', key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def _without(*tags: str) -> dict[str, list[Any]]:
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in tags]
        for first, resolvers in Loader.yaml_implicit_resolvers.items()
    }


Loader.yaml_implicit_resolvers = _without("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")


def load(paths: tuple[str, ...]) -> list[Document]:
    """Every object of the files and folders (`-` is standard input), lists unfolded, in order.

    Raises Misconfigured with every file that cannot be read or parsed.
    """
    documents: list[Document] = []
    wrong: list[str] = []
    for name, text in _texts(paths, wrong):
        try:
            documents += _parse(name, text)
        except (yaml.YAMLError, ValueError) as error:
            wrong.append(f"{name}: {' '.join(str(error).split())}")
    if wrong:
        raise Misconfigured(
            "read the manifests", answer="; ".join(wrong), next_step="nothing was applied; mend the files"
        )
    return documents


def _texts(paths: tuple[str, ...], wrong: list[str]) -> Iterator[tuple[str, str]]:
    for given in paths:
        if given == "-":
            yield "standard input", sys.stdin.read()
            continue
        path = Path(given)
        files = (
            sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
            if path.is_dir()
            else [path]
        )
        if path.is_dir() and not files:
            wrong.append(f"{given}: no file ends with {', '.join(SUFFIXES)}")
        for file in files:
            try:
                yield str(file), file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                wrong.append(f"{file}: {error}")


def _parse(name: str, text: str) -> list[Document]:
    found: list[Document] = []
    loader = Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            body = loader.construct_document(node)
            if body is None:
                continue
            place = f"{name}:{node.start_mark.line + 1}"
            found += _unfold(body, place, node)
    finally:
        loader.dispose()
    return found


def _step(node: yaml.Node, step: str) -> tuple[int, yaml.Node] | None:
    """One step down: the line and the node of a member or an item."""
    if step.startswith("[") and isinstance(node, yaml.SequenceNode):
        number = int(step[1:-1])
        if number < len(node.value):
            item = node.value[number]
            return item.start_mark.line, item
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    return None


def _unfold(body: Any, place: str, node: yaml.Node | None) -> list[Document]:
    if not isinstance(body, dict):
        raise ValueError(f"{place} is not an object")
    missing = [field for field in ("apiVersion", "kind") if not isinstance(body.get(field), str)]
    if missing:
        raise ValueError(f"{place} has no {' and no '.join(missing)}")
    if body["kind"].endswith("List") and isinstance(body.get("items"), list):
        return [one for item in body["items"] for one in _unfold(item, place, None)]
    return [Document(body, place, node)]
