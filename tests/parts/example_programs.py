"""The programs of the examples as modules: some are good clients for tests too."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

PROGRAMS = Path(__file__).parents[2] / "examples" / "programs"


def example_program(name: str) -> ModuleType:
    """A program of `examples/programs`, run as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
