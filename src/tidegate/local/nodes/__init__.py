"""Pods as processes of this machine, and Services as listeners: `Node` is the whole of it."""

from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.node import Node
from tidegate.local.nodes.processes.machine_view import Host

__all__ = ["Host", "ImageMap", "Node"]
