"""The dashboard and the alert rules, read for tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
_VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$scaledObject": ".*", "$scaler": ".*"}


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panel_queries() -> Iterator[tuple[str, str]]:
    """The title of each panel with each of its queries, variables filled in."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], filled(target["expr"])


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return found


def filled(query: str) -> str:
    for name, value in _VARIABLES.items():
        query = query.replace(name, value)
    return query


def names_in(query: str) -> set[str]:
    """The metrics that a query reads."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(by|on|without)\s*\([^)]*\)', " ", query)
    return set(re.findall(r"\b(?:keda|tidegate|process|python|workqueue|controller|leader)_\w+", bare))


def labels_in(query: str) -> set[str]:
    """The labels that a query selects or groups by."""
    groups = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query)
    grouped = {label.strip() for group in groups for label in group.split(",")}
    return grouped | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
