"""Pods as processes of this machine, and Services as listeners: `Node` is the whole of it."""

from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.node import Node

__all__ = ["ImageMap", "Node"]
