"""Paths of dots through a tree of mappings and lists, as KEDA walks YAML and XML."""

from __future__ import annotations

from typing import Any


def walk(tree: Any, path: str) -> Any:
    """What `a.b.0.c` leads to: members by name, elements from 0; None where it leads nowhere.

    A scalar that is met before the path ends is what is found, as with KEDA.
    """
    for part in path.split("."):
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list):
            is_index = part.isascii() and part.isdigit() and len(part) < 10
            tree = tree[int(part)] if is_index and int(part) < len(tree) else None
        else:
            return tree
    return tree
