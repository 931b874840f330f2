"""When a field that has no effect here asks for nothing else than what happens: the table's `but`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.local.apiserver.validation.rules import amount
from tidegate.local.node_choice import has_labels, is_one_of
from tidegate.local.objects import Object
from tidegate.local.unhonoured import RUNTIME_ANNOTATION, RUNTIMES


def no_node() -> Object | None:
    return None


@dataclass(slots=True)
class Around:
    """Where the value stands: the kind of the object, the pod's metadata and spec, and the node (None: not
    known).
    """

    kind: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    node: Callable[[], Object | None] = no_node


Condition = Callable[[Any, Around], bool]


def _node_has_labels(value: Any, around: Around) -> bool:
    """A DaemonSet goes by it."""
    node = around.node()
    return around.kind == "daemonsets.apps" or (node is not None and has_labels(value, node))


def _node_is_one(value: Any, around: Around) -> bool:
    node = around.node()
    return around.kind == "daemonsets.apps" or (node is not None and is_one_of(value, node))


def _only_preferences(value: Any, around: Around) -> bool:
    return all(one.get("whenUnsatisfiable") == "ScheduleAnyway" for one in value)


def _on_machine(value: Any, around: Around) -> bool:
    return bool(around.pod.get("hostNetwork"))


def _nothing_restarts(value: Any, around: Around) -> bool:
    return all(one.get("restartPolicy") == "NotRequired" for one in value)


def _nothing_asked(value: Any, around: Around) -> bool:
    return not any(value.values())


def _no_limit(value: Any, around: Around) -> bool:
    return amount(value) == 0


def _is_in_engine(around: Around) -> bool:
    asked = (around.metadata.get("annotations") or {}).get(RUNTIME_ANNOTATION)
    if asked is None and (node := around.node()) is not None:
        asked = node["status"]["nodeInfo"]["containerRuntimeVersion"]
    return asked in RUNTIMES and asked != RUNTIMES[0]


def _asked_of_engine(value: Any, around: Around) -> bool:
    return _nothing_asked(value, around) or _is_in_engine(around)


def _engine_has_it(value: Any, around: Around) -> bool:
    return value.get("type") in ("RuntimeDefault", "Unconfined") and _is_in_engine(around)


CONDITIONS: dict[str, Condition] = {
    "the node has the labels": _node_has_labels,
    "the node is one of these": _node_is_one,
    "only preferences": _only_preferences,
    "the pod has the machine's network": _on_machine,
    "nothing restarts": _nothing_restarts,
    "nothing asked, or an engine is": _asked_of_engine,
    "it is an engine's own": _engine_has_it,
    "no limit": _no_limit,
}
