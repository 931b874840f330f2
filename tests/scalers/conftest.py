"""Every trigger type with the example of its own page, ready to be built."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import pytest

from tidegate import scalers
from tidegate.testing.sheets import Sample, Sheet, sheet_of


@functools.cache
def _samples(module: str) -> dict[str, Sample]:
    path = Path(__file__).parent / f"test_{module}.py"
    spec = importlib.util.spec_from_file_location(f"samples_of_{module}", path)
    if not path.exists() or spec is None or spec.loader is None:
        return {}
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    return getattr(table, "SAMPLES", {})


@functools.cache
def sheet(trigger_type: str) -> Sheet:
    """Its example, with the sample of the type's own table (`SAMPLES`), or a count."""
    kind = scalers.find(trigger_type)
    assert kind is not None
    table = _samples(kind.__module__.rpartition(".")[2])
    return sheet_of(kind, trigger_type, table.get(trigger_type))


@pytest.fixture(params=scalers.types())
def every(request: pytest.FixtureRequest) -> Sheet:
    """Each trigger type in turn."""
    return sheet(request.param)
