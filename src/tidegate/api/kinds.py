"""What a custom kind is called and how kubectl shows it; each kind's class carries one `Kind`."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "keda.sh"
EVENTING_GROUP = "eventing.keda.sh"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column. `path` is a JSONPath; columns with `priority` > 0 show with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    is_namespaced: bool = True
    group: str = GROUP

    @property
    def api_version(self) -> str:
        return f"{self.group}/{VERSION}"


def condition_column(type: str) -> Column:
    """The status of one condition, under the condition's name."""
    return Column(type, f'.status.conditions[?(@.type=="{type}")].status')
