"""Solr: how many documents a query matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked

_STRANGE = "check `host` and `collection`: what answers there runs no queries"


@dataclass(frozen=True, slots=True)
class NumFound:
    """`response.numFound` of an answer that is whole."""

    format: ClassVar[str] = "solr"

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> Any:
        response = document.get("response") if isinstance(document, dict) else None
        if not isinstance(response, dict) or "numFound" not in response:
            raise Unpicked("the answer holds no number of documents", _STRANGE)
        header = document.get("responseHeader")
        is_partial = isinstance(header, dict) and header.get("partialResults") in (True, "true", "omitted")
        if is_partial or response.get("numFoundExact") is False:
            raise Unpicked("the answer is not whole: some of it took too long or was left out")
        return response["numFound"]
