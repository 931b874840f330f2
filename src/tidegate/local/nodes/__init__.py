"""Pods as processes of this machine, and Services as listeners: `Node` is the whole of it."""

from tidegate.local.nodes.node import Node
from tidegate.local.nodes.processes.images import ImageMap

__all__ = ["ImageMap", "Node"]
