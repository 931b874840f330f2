"""What `kubectl top` asks: the use of cpu and memory as the resource metrics API tells it.

The node measures when somebody asks, over a second at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.base.selectors import parse_field_selector, parse_selector
from tidegate.base.times import format_time
from tidegate.kube.resource import ApiError
from tidegate.kube.responses import bad_request
from tidegate.local.apiserver.discovery.resource_metrics import NODES, PODS, VERSION
from tidegate.local.apiserver.paths import Path
from tidegate.local.nodes.context import NODE
from tidegate.local.nodes.node import Node
from tidegate.local.nodes.pod_usage import PodUse, Use, Uses

Body = dict[str, Any]


class ResourceMetrics:
    """Answers reads below `/apis/metrics.k8s.io/v1beta1`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def answer(self, path: Path, query: Mapping[str, str]) -> Body:
        """One or a list, by the path; `ApiError` for what is not there."""
        if path.plural not in (NODES.resource.plural, PODS.resource.plural) or path.subresource:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        is_wanted = _filter(query)
        uses, now = await self._node.uses(), self._node.clock.now()
        if path.plural == NODES.resource.plural:
            found = [_node(uses, now)] if is_wanted(NODE, {}) else []
            return _picked(path, "NodeMetricsList", found)
        pods = [one for one in uses.pods if path.namespace in ("", one.namespace)]
        found = [_pod(one, uses, now) for one in pods if is_wanted(one.name, one.labels)]
        return _picked(path, "PodMetricsList", found)


def _filter(query: Mapping[str, str]) -> Any:
    try:
        labels = parse_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""))
    except ValueError as error:
        raise bad_request(str(error)) from error

    def is_wanted(name: str, found: Mapping[str, str]) -> bool:
        return labels.matches(dict(found)) and fields.matches({"metadata": {"name": name}})

    return is_wanted


def _picked(path: Path, kind: str, found: Sequence[Body]) -> Body:
    if not path.name:
        return {"kind": kind, "apiVersion": VERSION, "metadata": {}, "items": list(found)}
    for one in found:
        if one["metadata"]["name"] == path.name:
            return {"kind": kind.removesuffix("List"), "apiVersion": VERSION, **one}
    details = {"name": path.name, "group": VERSION.partition("/")[0], "kind": path.plural}
    raise ApiError(404, "NotFound", f'{path.plural}.metrics.k8s.io "{path.name}" not found', details)


def _node(uses: Uses, now: datetime) -> Body:
    moment = format_time(now)
    meta = {"name": NODE, "creationTimestamp": moment}
    return {"metadata": meta, **_window(uses, moment), "usage": _usage(uses.machine)}


def _pod(pod: PodUse, uses: Uses, now: datetime) -> Body:
    moment = format_time(now)
    meta: Body = {"name": pod.name, "namespace": pod.namespace, "creationTimestamp": moment}
    if pod.labels:
        meta["labels"] = dict(pod.labels)
    containers = [{"name": name, "usage": _usage(used)} for name, used in pod.containers.items()]
    return {"metadata": meta, **_window(uses, moment), "containers": containers}


def _window(uses: Uses, moment: str) -> Body:
    return {"timestamp": moment, "window": f"{uses.window_s:.3f}s"}


def _usage(used: Use) -> Body:
    return {"cpu": f"{round(used.cores * 1e9)}n", "memory": f"{used.bytes // 1024}Ki"}
