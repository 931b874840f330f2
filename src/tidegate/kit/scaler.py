"""What a scaler is: a declared, typed value that can say its metric's name and measure it.

A scaler module subclasses one of these, declares its settings with `tidegate.kit.settings`, and
is registered by existing in `tidegate.scalers`. It never opens a socket, reads a clock, logs,
retries or keeps state. It does not know its index, its object's name or (but for `Native`) its
metric type: those belong to the framework.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes
from tidegate.core.values import MetricSpec, ResourceMetric
from tidegate.kit.identity import Identity, Provider
from tidegate.kit.question import Ask, Question
from tidegate.kit.settings import declared, role_name, role_value
from tidegate.kit.systems.calls import EACH, Calls
from tidegate.kit.systems.claims import Source


@dataclass(frozen=True, slots=True)
class Scope:
    """What a scaler may know of its object. `is_metric_source`: a formula consumes its value.

    `name` is for servers that are told whom they answer; nothing else may depend on it. `interval_s` is the
    polling interval: what was seen longer ago is of the poll before. `channel` is where the trigger's server
    tells of changes, as an annotation of the object says; "" where none does.
    """

    namespace: str
    is_metric_source: bool = False
    name: str = ""
    interval_s: float = 30.0
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """One value per metric of the trigger; `active` None lets the framework compare with activation.

    `specs`, parallel to the values, come from a `Described` scaler. `is_empty`: the source had nothing to
    say, and that counts as the value; where it does not, the scaler raises `Empty`.
    """

    values: tuple[float, ...]
    active: bool | None = None
    specs: tuple[MetricSpec, ...] = ()
    is_empty: bool = False


class Empty(Malformed):
    """The source had nothing to say, and that is no number."""


@declared
class Scaler:
    """Base of every scaler; subclass `Polled`, `Pushed`, `Clocked` or `Native`, decorated with `@declared`.

    `types` are the trigger types this class reads, written nowhere else; `type` is the one that
    the user wrote. Equal triggers make equal scalers. `identities` are the providers whose identities this
    kind takes, `measured_with` those of them that its connection can log in with; `identity` is one of them,
    where the trigger's authentication names one.
    """

    types: ClassVar[tuple[str, ...]] = ()
    identities: ClassVar[tuple[Provider, ...]] = ()
    measured_with: ClassVar[tuple[Provider, ...]] = ()

    type: str
    scope: Scope
    identity: Identity | None = None

    def asks_as(self) -> Identity | None:
        """The identity that asks, None where keys, passwords or nothing do."""
        return self.identity

    def can_log_in(self, identity: Identity) -> bool:
        """Whether this kind's connection knows how to log in with it."""
        return identity.provider in self.measured_with

    def summary(self) -> str:
        """What is measured, in the words of the manifest; "" where the metric's name says enough."""
        return ""

    def check(self) -> Iterator[Problem]:
        """All problems between settings. `path` is the setting's name.

        It changes nothing, and runs many times where settings could not be read (`kit/unread.py`).
        """
        return iter(())

    def notices(self) -> Iterator[Problem]:
        """What works, and does less than it says; told beside a scaler without problems."""
        return iter(())


@declared
class Polled(Scaler):
    """Asks a server.

    `is_consumed`: workers take away what is counted, each of them some of it, as from a list. Then a Job
    that succeeds may be followed by the next at once; otherwise that would never end.
    `default_metric_type` is what a trigger means that has no `metricType`.
    `is_claimable`: its messages may be claimed, one Job for each (`claim_source`); `claim_wishes` are the
    annotations that it reads for that beside those which all sources read.
    `cost` says what a round of many triggers costs their server, `calls` the same as a value, for triggers
    that ask something different each; `tested_against` says which server, emulator or fake stands behind the
    tests, with its version.
    """

    is_consumed: ClassVar[bool] = False
    is_claimable: ClassVar[bool] = False
    claim_wishes: ClassVar[frozenset[str]] = frozenset()
    default_metric_type: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    calls: ClassVar[Calls] = EACH
    tested_against: ClassVar[str] = ""

    def consumes(self) -> bool:
        """`is_consumed`, for a class whose settings decide it."""
        return self.is_consumed

    def metric_name(self) -> str:
        """The metric's name without its index prefix, already normalised."""
        raise NotImplementedError

    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """All metrics of the trigger, parallel to the values that it measures. Most classes have one."""
        return (MetricSpec(self.metric_name(), self.metric_target()),)

    def metric_target(self) -> float:
        """The metric's target in its own unit: the setting declared with `target`."""
        return role_value(self, "target", 1.0)

    def target_setting(self) -> str:
        """The name of the setting that the target comes from; "" where it is from none."""
        return role_name(self, "target")

    def activation_target(self) -> float:
        """The value above which the trigger is active: the setting declared with `activation`."""
        return role_value(self, "activation", 0.0)

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        raise NotImplementedError

    def claim_source(self, wishes: Wishes) -> Source | None:
        """What messages are claimed from, where `is_claimable`; None: this cannot be claimed from."""
        return None

    def claim_problem(self, wishes: Wishes) -> str:
        """What its settings lack to be claimed from, and what to do; "" where that is nothing."""
        return ""


@declared
class Passing(Polled):
    """Hands its whole metadata on to its server, whatever the keys.

    `passed` are its pairs; of a key that ends in `FromEnv`, the variable's value, and nothing where there is
    none. Never what an authentication gives.
    """

    passed: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)


@declared
class Several(Polled):
    """Has several metrics at once: of all that it reads, those with a target of at least 1."""

    def metric_targets(self) -> tuple[tuple[str, float], ...]:
        """Normalised name and target of each that may be one, in the order of the values."""
        raise NotImplementedError

    def counted(self, values: Iterable[float]) -> tuple[float, ...]:
        """Of all values read, those of metrics."""
        pairs = zip(values, self.metric_targets(), strict=True)
        return tuple(float(value) for value, (_, target) in pairs if target >= 1)

    def metric_specs(self) -> tuple[MetricSpec, ...]:
        return tuple(MetricSpec(name, target) for name, target in self.metric_targets() if target >= 1)

    def metric_name(self) -> str:
        return self.metric_specs()[0].name

    def metric_target(self) -> float:
        return self.metric_specs()[0].target


@declared
class Described(Polled):
    """Its server says which metrics it has, with their targets: they are known from a reading on."""

    def metric_name(self) -> str:
        """Nothing: each measurement brings its `specs`."""
        return ""


@declared
class Pushed(Polled):
    """Is polled as others are, and woken in between: its server can say when something has changed.

    `has_channels`: it says so on a channel, which an annotation names (`scope.channel`), of `longest_channel`
    bytes at most.
    """

    has_channels: ClassVar[bool] = False
    longest_channel: ClassVar[int] = 63

    def watch(self) -> Question | None:
        """What to keep open at the server (see `Watchable` in the connections); None: only poll."""
        raise NotImplementedError


@declared
class Clocked(Polled):
    """Depends on the clock alone: asks nothing, is never polled, says when its value changes next."""

    def next_change(self, now: datetime) -> datetime | None:
        """The first moment after `now` at which `measure` may say something else; None: never."""
        raise NotImplementedError

    def zone(self) -> str:
        """The IANA zone whose clock it follows; "" for UTC."""
        return ""


@declared
class Native(Scaler):
    """A metric that the HPA reads itself (cpu, memory); nothing is measured here.

    `metric_type` is the trigger's own, as written; the class checks it.
    """

    metric_type: str = ""

    def resource_metric(self) -> ResourceMetric:
        raise NotImplementedError
