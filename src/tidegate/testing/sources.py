"""Reads Python sources."""

from __future__ import annotations

import ast
import gc


def parsed(text: str) -> ast.Module:
    """The syntax tree of a module's text.

    Nothing is collected meanwhile: what a finalizer does may parse, too (formatting a traceback does), and in
    CPython 3.11 the parse around it then fails with "AST constructor recursion depth mismatch".
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_enabled:
            gc.enable()
