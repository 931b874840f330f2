"""The formats that a trigger may name, and what a location is in each."""

from __future__ import annotations

from typing import Literal

from tidegate.kit.picking.exposition import Sample, read_selector
from tidegate.kit.picking.gjson import Json, path_problem
from tidegate.kit.picking.pick import Pick, Unpicked
from tidegate.kit.picking.xmlpath import Xml
from tidegate.kit.picking.yamlpath import Yaml

Format = Literal["prometheus", "json", "xml", "yaml"]


def pick_of(format: Format, location: str) -> Pick:
    """What finds the value at `location`."""
    if format == "prometheus":
        return Sample(location)
    if format == "yaml":
        return Yaml(location)
    return Xml(location) if format == "xml" else Json(location)


def location_problem(format: Format, location: str) -> str:
    """Why nothing can be found there; "" where something may. Reads on after the location."""
    if format == "json":
        return path_problem(location)
    if format == "prometheus":
        try:
            read_selector(location)
        except Unpicked as error:
            return str(error)
    return ""
