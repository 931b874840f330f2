"""The table `fields.yaml`, read: what becomes of each field that the API has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Verdict = Literal["honoured", "parts", "node", "warned", "refused", "harmless"]
RULE = "rule "
NO_EFFECT = "has no effect"
# The roots of pod specifications and of what else is looked at: kind, where it begins, and its type.
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "pods": ((), "Pod"),
    "services": ((), "Service"),
    "deployments.apps": ((), "Deployment"),
    "replicasets.apps": (("spec", "template"), "PodTemplateSpec"),
    "statefulsets.apps": ((), "StatefulSet"),
    "daemonsets.apps": ((), "DaemonSet"),
    "persistentvolumeclaims": ((), "PersistentVolumeClaim"),
    "jobs.batch": ((), "Job"),
    "cronjobs.batch": ((), "CronJob"),
    "scaledjobs.keda.sh": (("spec", "jobTargetRef"), "JobSpec"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One field of a type. `by` is the module that reads it (below `tidegate/`), or the text of a rule.

    `key` is that of a map, `*` for all keys that have no row. The others are described in the table's head.
    """

    type: str
    field: str
    verdict: Verdict
    key: str = ""
    by: str = ""
    is_rule: bool = False
    what: str = NO_EFFECT
    why: str = ""
    instead: str = ""
    unless: tuple[Any, ...] = ()
    but: str = ""

    @property
    def name(self) -> str:
        return f"{self.field}[{self.key}]" if self.key else self.field

    @property
    def runs(self) -> bool:
        """Whether pods that ask for it run."""
        return self.what not in ("keeps its pods waiting", "is not offered")

    @property
    def covers(self) -> bool:
        """Whether it decides what is below it too."""
        return self.verdict in ("warned", "refused", "harmless") or self.is_rule


Table = Mapping[str, tuple[Row, ...]]


@cache
def rows() -> Table:
    """All rows by type, as they stand in the file."""
    text = files(__package__).joinpath("fields.yaml").read_text("utf-8")
    body = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {type: tuple(_rows(type, entry, body["rules"])) for type, entry in body["types"].items()}


def rules() -> Mapping[str, str]:
    """The rules that rows are honoured by: their names and texts."""
    text = files(__package__).joinpath("fields.yaml").read_text("utf-8")
    found: Mapping[str, str] = yaml.safe_load(text)["rules"]
    return found


def _rows(type: str, entry: Mapping[Verdict, Any], rules: Mapping[str, str]) -> Iterator[Row]:
    for verdict, content in entry.items():
        if verdict == "parts":
            yield from (Row(type, name, "parts") for name in content)
        elif verdict in ("honoured", "node"):
            for by, names in content.items():
                is_rule = by.startswith(RULE)
                told = rules[by.removeprefix(RULE)] if is_rule else by
                for name in names:
                    field, key = _key(name)
                    yield Row(type, field, verdict, key, told, is_rule)
        else:
            for names, told in content.items():
                given = {"why": told} if isinstance(told, str) else dict(told)
                given["unless"] = tuple(given.get("unless", ()))
                for name in names.split(", "):
                    field, key = _key(name)
                    yield Row(type, field, verdict, key, **given)


def _key(name: str) -> tuple[str, str]:
    """`limits[cpu]` → `limits`, `cpu`."""
    field, _, key = name.partition("[")
    return field, key.removesuffix("]")
