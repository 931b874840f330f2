"""Reads Python sources."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """For what parses Python: nothing is collected meanwhile.

    What a finalizer does may parse, too (formatting a traceback does), and in CPython 3.11 the parse around
    it then fails with "AST constructor recursion depth mismatch".
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parsed(text: str) -> ast.Module:
    """The syntax tree of a module's text."""
    with uncollected():
        return ast.parse(text)
