"""An XML document read as it goes by, for lists of thousands of entries: no tree of it is ever built.

A subclass looks at `path` when an element opens and closes. No DTD, hence no entities.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from tidegate.kit.picking.pick import DEPTH, Unpicked


class XmlEvents:
    """Knows where it is: `path` are the names of the open elements, without namespaces."""

    def __init__(self) -> None:
        self.root = ""
        self.path: list[str] = []
        self._texts: list[str] = []
        self._is_encoded = False

    def opened(self) -> None:
        """An element has begun; it is the last of `path`."""

    def closed(self, text: str) -> None:
        """An element ends; `text` is what stood in it after the last element inside."""

    def read(self, body: bytes) -> None:
        """The whole document. Unpicked where the body is none."""
        from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
        from defusedxml.ElementTree import (  # type: ignore[import-untyped]
            DefusedXMLParser,
            ParseError,
        )

        parser = DefusedXMLParser(target=self, forbid_dtd=True)
        try:
            parser.feed(body)
            parser.close()
        except DefusedXmlException as error:
            raise Unpicked("the answer has a DTD or entities, which are not read") from error
        except (ParseError, ValueError, LookupError) as error:
            if isinstance(error, Unpicked):
                raise
            raise Unpicked("the answer is not XML" if body.strip() else "the answer is empty") from error

    # --- what the parser calls

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.path) >= DEPTH:
            raise Unpicked(f"the answer nests deeper than {DEPTH} levels")
        name = tag.rpartition("}")[2]
        self.root = self.root or name
        self.path.append(name)
        self._texts.clear()
        # Azure's way to write characters that XML cannot hold.
        self._is_encoded = attributes.get("Encoded") == "true"
        self.opened()

    def data(self, text: str) -> None:
        self._texts.append(text)

    def end(self, _tag: str) -> None:
        text = "".join(self._texts)
        self.closed(unquote(text) if self._is_encoded else text)
        self._texts.clear()
        self._is_encoded = False
        self.path.pop()

    def close(self) -> Any:
        return None
