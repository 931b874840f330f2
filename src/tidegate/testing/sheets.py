"""A trigger type with the example of its own page, ready to be built, and what its server answers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tidegate.api.triggers import Trigger
from tidegate.kit import pages, reading
from tidegate.kit.question import Question
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scaler, Scope

SECRET = "hunter2"
"""What the contract looks for in every text."""


def seven(_question: Question) -> Any:
    return 7


@dataclass(frozen=True)
class Sample:
    """Answers to the questions of a page's example, and what they measure.

    `may_be_negative`: a plain -1 is an answer like any other. `is_active` is what the scaler itself says.
    `zeros` are strange answers that are a 0 by a rule of their page. `auth` are texts of the example's
    parameters, and of its variables by their names, that say more than a password.
    """

    answer: Callable[[Question], Any] = seven
    values: tuple[float, ...] = (7,)
    is_active: bool | None = None
    may_be_negative: bool = False
    zeros: tuple[Any, ...] = ()
    auth: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """One trigger type and the texts of its example. `sample` says what its server answers."""

    trigger_type: str
    kind: type[Any]
    metadata: dict[str, str]
    auth: dict[str, str]
    metric_type: str | None = None
    sample: Sample = Sample()
    env: Mapping[str, str] = field(default_factory=dict)

    def build(
        self, metadata: dict[str, str] | None = None, *, auth: dict[str, str] | None = None, **scope: Any
    ) -> Any:
        """The scaler of these texts, by default the example's; or all `Problem`s that they have."""
        metadata = self.metadata if metadata is None else metadata
        trigger = Trigger(type=self.trigger_type, metadata=metadata, metric_type=self.metric_type)
        sources = Sources(metadata, self.env, self.auth if auth is None else auth)
        return reading.build(self.kind, trigger, sources, Scope("shop", **scope))

    def scaler(self) -> Any:
        """The example's, which must be right."""
        scaler = self.build()
        assert isinstance(scaler, Scaler), scaler
        return scaler


def page_of(kind: type[Scaler], trigger_type: str) -> str:
    """The reference page of that type as it should be: what `tidegate triggers TYPE -o markdown` prints."""
    return pages.page(trigger_type, kind, importlib.import_module(kind.__module__).__doc__ or "")


def sheet_of(kind: type[Scaler], trigger_type: str, sample: Sample | None = None) -> Sheet:
    """The example of that type in its module's docstring. It must be there, its values quoted."""
    sample = sample or Sample()
    prose = importlib.import_module(kind.__module__).__doc__ or ""
    shown = [one for one in pages.examples(prose) if trigger_type in one.types]
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
    auth = {parameter: f"{SECRET}-{parameter}" for parameter in parameters}
    auth |= {parameter: text for parameter, text in sample.auth.items() if parameter in auth}
    variables = [text for key, text in trigger["metadata"].items() if key.endswith(reading.FROM_ENV)]
    env = {name: sample.auth.get(name, f"{SECRET}-{name}") for name in variables}
    return Sheet(trigger_type, kind, trigger["metadata"], auth, trigger.get("metricType"), sample, env)
