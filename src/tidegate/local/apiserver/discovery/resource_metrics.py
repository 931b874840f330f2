"""The resource metrics API as discovery shows it: who answers is said when the server is wired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tidegate.kube.resource import Resource
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.paths import Path

GROUP = "metrics.k8s.io"
VERSION = f"{GROUP}/v1beta1"
_READ = ("get", "list")
NODES = Kind(Resource(GROUP, "v1beta1", "nodes", "NodeMetrics", is_namespaced=False), verbs=_READ)
PODS = Kind(Resource(GROUP, "v1beta1", "pods", "PodMetrics"), verbs=_READ)

Answer = Callable[[Path, Mapping[str, str]], Awaitable[dict[str, Any]]]
"""A path of this group and a query to one or a list of metrics."""
