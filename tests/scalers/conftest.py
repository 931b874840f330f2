"""Every trigger type with the example of its own page, ready to be built."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.samples import Sample
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import pages, reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Clocked, Described, Polled, Scaler, Scope


@dataclass(frozen=True)
class Sheet:
    """One trigger type and the texts of its example."""

    trigger_type: str
    kind: type[Scaler]
    metadata: dict[str, str]
    auth: dict[str, str]
    metric_type: str | None = None

    def build(
        self, metadata: dict[str, str] | None = None, *, auth: dict[str, str] | None = None, **scope: Any
    ) -> Scaler | tuple[Problem, ...]:
        """The scaler of these texts, by default the example's."""
        metadata = self.metadata if metadata is None else metadata
        trigger = Trigger(type=self.trigger_type, metadata=metadata, metric_type=self.metric_type)
        sources = Sources(metadata, {}, self.auth if auth is None else auth)
        return reading.build(self.kind, trigger, sources, Scope("shop", **scope))

    def scaler(self) -> Scaler:
        scaler = self.build()
        assert isinstance(scaler, Scaler), scaler
        return scaler

    @property
    def sample(self) -> Sample:
        """What its server answers when all is well: `SAMPLES` of the type's own table, or a count."""
        return _samples(self.kind.__module__.rpartition(".")[2]).get(self.trigger_type, Sample())


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
    kind = scalers.find(trigger_type)
    assert kind is not None
    shown = [one for one in pages.examples(scalers.prose_of(kind)) if trigger_type in one.types]
    assert shown, f"the docstring of {kind.__module__} has no example with type: {trigger_type}"
    documents = list(yaml.safe_load_all(shown[0].text))
    (trigger,) = [one for one in documents[0]["triggers"] if one["type"] == trigger_type]
    for key, value in trigger["metadata"].items():
        assert isinstance(value, str), f"{key} must be quoted: Kubernetes takes only strings here"
    parameters = [
        entry["parameter"]
        for document in documents[1:]
        for entry in document["spec"].get("secretTargetRef", ())
    ]
    auth = {parameter: f"hunter2-{parameter}" for parameter in parameters}
    sample = _samples(kind.__module__.rpartition(".")[2]).get(trigger_type, Sample())
    auth |= {parameter: text for parameter, text in sample.auth.items() if parameter in auth}
    return Sheet(trigger_type, kind, trigger["metadata"], auth, trigger.get("metricType"))


def types_of(*kinds: type[Scaler], but: tuple[type[Scaler], ...] = ()) -> list[str]:
    """The trigger types whose class can do what these kinds can: capabilities choose, never names."""
    found = ((name, scalers.find(name)) for name in scalers.types())
    return [name for name, kind in found if kind and issubclass(kind, kinds) and not issubclass(kind, but)]


@pytest.fixture(params=types_of(Scaler))
def every(request: pytest.FixtureRequest) -> Sheet:
    """Each trigger type in turn."""
    return sheet(request.param)


@pytest.fixture(params=types_of(Polled, but=(Clocked,)))
def asker(request: pytest.FixtureRequest) -> Sheet:
    """Each that asks a server."""
    return sheet(request.param)


@pytest.fixture(params=types_of(Polled, but=(Described,)))
def external(request: pytest.FixtureRequest) -> Sheet:
    """Each with a metric of ours, which has a name, a target and an activation."""
    return sheet(request.param)


@pytest.fixture(params=types_of(Clocked))
def clock(request: pytest.FixtureRequest) -> Sheet:
    """Each that depends on the time alone."""
    return sheet(request.param)
