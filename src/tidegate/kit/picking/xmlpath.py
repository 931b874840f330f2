"""Values of an XML document by a path of dots. No DTD, hence no entities.

<queues><queue name="a"><waiting>3</waiting></queue><queue name="b"/></queues>

queue.0.waiting      elements of one name, from 0; the root's own name may stand before
queue.1.@name        an attribute
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.kit.picking.pick import DEPTH, Unpicked
from tidegate.kit.picking.tree import walk

MOST_ELEMENTS = 100_000


@dataclass(frozen=True, slots=True)
class Xml:
    """What a path finds, as a text; None where nothing is."""

    format: ClassVar[str] = "xml"

    path: str

    @staticmethod
    def read(body: bytes) -> Any:
        return read_xml(body)

    def of(self, document: Any) -> Any:
        (root,) = document
        content = document[root]
        first, _, rest = self.path.partition(".")
        if first != root or (isinstance(content, dict) and root in content):
            return _text(walk(content, self.path))
        return _text(walk(content, rest) if rest else content)


def read_xml(body: bytes) -> Any:
    """`{root: content}`: a content is a text, or a mapping of elements and `@attributes`, where elements
    of one name are a list and a text beside them stands under `#text`."""
    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import (  # type: ignore[import-untyped]
        DefusedXMLParser,
        ParseError,
    )

    parser = DefusedXMLParser(target=_Tree(), forbid_dtd=True)
    try:
        parser.feed(body)
        return parser.close()
    except DefusedXmlException as error:
        raise Unpicked("the answer has a DTD or entities, which are not read") from error
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, Unpicked):
            raise
        raise Unpicked("the answer is not XML" if body.strip() else "the answer is empty") from error


class _Tree:
    """Builds mappings as the parser goes; refuses what is too deep or too much."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._open: list[tuple[dict[str, Any], list[str]]] = [(self._root, [])]
        self._names: list[str] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > DEPTH:
            raise Unpicked(f"the answer nests deeper than {DEPTH} levels")
        if self._count > MOST_ELEMENTS:
            raise Unpicked(f"the answer has more than {MOST_ELEMENTS} elements")
        self._open.append(({f"@{_local(name)}": text for name, text in attributes.items()}, []))
        self._names.append(_local(tag))

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        members, texts = self._open.pop()
        name, text = self._names.pop(), "".join(texts).strip()
        content: Any = members
        if not members:
            content = text
        elif text:
            members["#text"] = text
        parent = self._open[-1][0]
        if name not in parent:
            parent[name] = content
        elif isinstance(parent[name], list):
            parent[name].append(content)
        else:
            parent[name] = [parent[name], content]

    def close(self) -> dict[str, Any]:
        return self._root


def _local(name: str) -> str:
    """Without its namespace."""
    return name.rpartition("}")[2]


def _text(value: Any) -> Any:
    """An element with attributes stands for its text."""
    return value.get("#text", value) if isinstance(value, dict) else value
