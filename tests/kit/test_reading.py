"""Texts become values or problems: sources, aliases, trimming, types, and everything told at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest

from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.core.values import ResourceMetric
from tidegate.kit import reading
from tidegate.kit.identity import Identity, Provider
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Native, Polled, Scaler, Scope
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    Duration,
    KeyValue,
    activation,
    declared,
    deprecated,
    removed,
    setting,
    shape_of,
    target,
)

SCOPE = Scope("shop")


@declared
class Sample(Polled):
    types: ClassVar[tuple[str, ...]] = ("sample",)

    queue: str = setting("queue", "queueName", doc="Queue.")
    length: int = target("length", default=5, doc="Target.")
    active_above: float = activation("activationLength")
    ratio: float = setting("ratio", doc="Ratio.", default=1.0)
    wait_s: Duration = setting("wait", doc="Wait.", default=0.0)
    is_deep: bool | None = setting("deep", doc="Deep.", default=None)
    mode: Literal["", "fast", "slow"] = setting("mode", doc="Mode.", default="")
    hosts: tuple[str, ...] = setting("hosts", doc="Hosts.", default=(), separator=";")
    ports: tuple[int, ...] = setting("ports", doc="Ports.", default=())
    headers: tuple[KeyValue, ...] = setting("headers", doc="Headers.", default=())
    anywhere: str = setting(
        "any", "some", doc="Any.", default="", sources=(ENVIRONMENT, AUTHENTICATION, METADATA)
    )
    token: str = setting("token", doc="Token.", default="", sources=(AUTHENTICATION, METADATA), secret=True)
    pin: int = setting("pin", doc="Pin.", default=0, sources=(AUTHENTICATION, METADATA), secret=True)
    gone: str | None = removed("gone", message="'gone' went away - use 'queue'")
    old: str | None = deprecated("old", message="'old' goes away - use 'ratio'", doc="Old.")

    def check(self) -> Iterator[Problem]:
        if self.queue == "all" and self.mode:
            yield Problem("mode", "not with all queues")
        if self.length > 100:
            yield Problem("length", "too long")


@declared
class Own(Native):
    types: ClassVar[tuple[str, ...]] = ("own",)

    def resource_metric(self) -> ResourceMetric:
        return ResourceMetric("own", "1", "AverageValue")


def build(
    metadata: dict[str, str] | None = None,
    *,
    env: dict[str, str] | None = None,
    auth: dict[str, str] | None = None,
    metric_type: str | None = None,
    kind: type[Scaler] = Sample,
) -> Scaler | tuple[Problem, ...]:
    trigger = Trigger(type=kind.types[0], metadata=metadata or {}, metric_type=metric_type)
    return reading.build(kind, trigger, Sources(metadata or {}, env or {}, auth or {}), SCOPE)


def good(metadata: dict[str, str], **others: dict[str, str]) -> Sample:
    scaler = build({"queue": "jobs"} | metadata, **others)  # type: ignore[arg-type]
    assert isinstance(scaler, Sample), scaler
    return scaler


def bad(metadata: dict[str, str], **others: object) -> dict[str, str]:
    problems = build(metadata, **others)  # type: ignore[arg-type]
    assert isinstance(problems, tuple), problems
    return {problem.path: problem.message for problem in problems}


@pytest.mark.parametrize(
    ("metadata", "attribute", "value"),
    [
        ({"queueName": "a"}, "queue", "jobs"),  # the first name wins over an alias
        ({"queue": " ", "queueName": " a "}, "queue", "a"),  # blank is absent, values are trimmed
        ({}, "length", 5),
        ({"length": "0"}, "length", 0),
        ({"length": "-3"}, "length", -3),
        ({"ratio": "1e3"}, "ratio", 1000.0),
        ({"wait": "1m30s"}, "wait_s", 90.0),
        ({"wait": "30"}, "wait_s", 0.03),
        ({}, "is_deep", None),
        ({"deep": "F"}, "is_deep", False),
        ({"mode": "slow"}, "mode", "slow"),
        ({"hosts": " a ;; b,c"}, "hosts", ("a", "", "b,c")),
        ({"ports": "1, 2"}, "ports", (1, 2)),
        ({"headers": "key1=1, key2 = 2"}, "headers", (("key1", "1"), ("key2", "2"))),
        ({"old": "x"}, "old", "x"),
        ({"gone": "  "}, "gone", None),
    ],
)
def test_a_text_becomes_the_value_of_its_annotation(
    metadata: dict[str, str], attribute: str, value: object
) -> None:
    assert getattr(good(metadata), attribute) == value


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"length": "ten"}, "length", '"ten" is not a number'),
        ({"length": "5.0"}, "length", '"5.0" is not a whole number'),
        ({"length": "+5"}, "length", '"+5" is not a number'),
        ({"length": "9223372036854775808"}, "length", "out of range"),
        ({"ratio": "NaN"}, "ratio", '"NaN" is not a number'),
        ({"wait": "-1s"}, "wait", '"-1s" is negative'),
        ({"deep": "yes"}, "deep", '"yes" is not true or false'),
        ({"mode": "Fast"}, "mode", '"Fast" is not one of fast, slow'),
        ({"ports": "1,x"}, "ports", '"1,x" is not a number'),
        ({"headers": "a=1,b"}, "headers", "is not a list of key=value"),
        ({"headers": "a=1=2"}, "headers", "is not a list of key=value"),
        ({"headers": "a=1,b=2,a=3"}, "headers", "has a key twice"),
        ({"gone": "x"}, "gone", "'gone' went away"),
        ({"queue": "\t"}, "queue", 'missing required parameter "queue,queueName" in [triggerMetadata]'),
        ({"pin": "hunter2"}, "pin", "its value is not a number"),
    ],
)
def test_a_bad_text_is_named_with_its_setting(metadata: dict[str, str], path: str, message: str) -> None:
    problems = bad({"queue": "jobs"} | metadata)
    assert list(problems) == [path]
    assert message in problems[path]
    assert "hunter2" not in problems[path]


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        (Sources({"anyFromEnv": "V", "any": "m"}, {"V": " e "}, {"any": "a"}), "e"),
        (Sources({"someFromEnv": "V", "any": "m"}, {"V": "e"}, {"any": "a"}), "e"),
        (Sources({"anyFromEnv": "GONE", "any": "m"}, {}, {"some": "a"}), "a"),  # all names, then the next
        (Sources({"anyFromEnv": "BLANK", "any": "m"}, {"BLANK": " "}, {"any": ""}), "m"),
        (Sources({"anyFromEnv": " ", "some": "m"}), "m"),
    ],
)
def test_sources_are_tried_in_the_declared_order(sources: Sources, value: str) -> None:
    trigger = Trigger(type="sample", metadata={})
    sources = dataclasses.replace(sources, metadata={"queue": "jobs", **sources.metadata})
    scaler = reading.build(Sample, trigger, sources, SCOPE)
    assert isinstance(scaler, Sample)
    assert scaler.anywhere == value


@pytest.mark.parametrize(
    ("metadata", "auth", "problem"),
    [
        ({"anyFromEnv": "NOPE"}, {}, ("anyFromEnv", "it is not set")),
        ({"someFromEnv": " NOPE "}, {}, ("someFromEnv", "it is not set")),
        ({"anyFromEnv": "NOPE", "some": "m"}, {}, None),
        ({"anyFromEnv": "NOPE"}, {"any": "a"}, None),
        ({"anyFromEnv": "MAYBE"}, {}, None),
        ({"tokenFromEnv": "NOPE"}, {}, None),  # read nowhere, so nothing is missing
    ],
)
def test_a_setting_left_to_a_variable_that_is_not_set_has_no_default(
    metadata: dict[str, str], auth: dict[str, str], problem: tuple[str, str] | None
) -> None:
    sources = Sources({"queue": "jobs", **metadata}, {}, auth, {"NOPE": "it is not set"})
    built = reading.build(Sample, Trigger(type="sample", metadata={}), sources, SCOPE)
    told = [(one.path, one.message) for one in built] if isinstance(built, tuple) else []
    assert told == ([problem] if problem else [])


def test_a_source_that_is_not_declared_is_never_read() -> None:
    problems = bad({"queueFromEnv": "V"}, env={"V": "jobs"}, auth={"queue": "jobs"})
    assert "queue" in problems


def test_what_comes_from_elsewhere_than_the_metadata_is_not_repeated() -> None:
    problems = build({"queue": "q"}, auth={"pin": "hunter2"})
    assert [str(one) for one in problems] == [  # type: ignore[union-attr]
        "pin: the value of authentication parameter pin is not a number"
    ]


def test_every_problem_is_told_at_once_also_those_between_settings() -> None:
    problems = bad({"queue": "all", "mode": "fast", "ratio": "x", "deep": "y"}, metric_type="Utilization")
    assert list(problems) == ["metricType", "ratio", "deep", "mode"]


def test_an_unread_setting_hides_the_problems_that_need_it_and_no_others() -> None:
    assert list(bad({"length": "101"})) == ["queue", "length"]
    assert list(bad({"mode": "slow", "length": "101"})) == ["queue", "length"]
    assert list(bad({"queue": "all", "mode": "slow", "length": "x"})) == ["length", "mode"]


def test_a_problem_that_needs_two_settings_is_not_told_where_both_are_unread() -> None:
    @declared
    class Three(Sample):
        def check(self) -> Iterator[Problem]:
            if not (self.is_deep and self.mode == "fast" and self.ports == (1,)):
                yield Problem("any", "needs deep, mode fast and port 1")
            if self.anywhere == "x":
                yield Problem("any", "x")

    metadata = {"queue": "q", "any": "x", "ports": "1"}
    unread = {"deep": "y", "mode": "y"}
    assert [*bad(metadata | unread, kind=Three).items()] == [
        ("deep", '"y" is not true or false'),
        ("mode", '"y" is not one of fast, slow'),
        ("any", "x"),
    ]
    told = build(metadata | unread | {"ports": "2"}, kind=Three)
    assert [one.message for one in told if one.path == "any"] == [  # type: ignore[union-attr]
        "needs deep, mode fast and port 1",
        "x",
    ]


def test_a_defect_in_a_check_is_not_hidden_by_a_problem() -> None:
    @declared
    class Broken(Sample):
        def check(self) -> Iterator[Problem]:
            raise AttributeError("defect", name="elsewhere", obj=self)
            yield

    with pytest.raises(AttributeError, match="defect"):
        build({}, kind=Broken)


def test_metric_type_utilization_is_for_native_metrics_alone() -> None:
    assert list(bad({"queue": "q"}, metric_type="Utilization")) == ["metricType"]
    own = build(metric_type="Utilization", kind=Own)
    assert isinstance(own, Own)
    assert own.metric_type == "Utilization"


@pytest.mark.parametrize(("path", "place"), [("metricType", "metricType"), ("length", "metadata.length")])
def test_a_problem_says_where_it_stands_in_the_trigger(path: str, place: str) -> None:
    assert reading.field_path(Problem(path, "")) == place


def test_equal_texts_make_equal_scalers_that_cannot_be_changed() -> None:
    one, other = good({"length": "7"}), good({"length": " 7 "})
    assert one == other
    assert hash(one) == hash(other)
    assert one != good({"length": "8"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.length = 1  # type: ignore[misc]


def test_secrets_stay_out_of_representations() -> None:
    scaler = good({}, auth={"token": "hunter2"})
    assert scaler.token == "hunter2"
    assert "hunter2" not in repr(scaler)
    assert "hunter2" not in repr(Sources({}, {"V": "hunter2"}, {"token": "hunter2"}))


def test_target_and_activation_are_found_by_their_role() -> None:
    scaler = good({"length": "7", "activationLength": "2.5"})
    assert (scaler.metric_target(), scaler.activation_target()) == (7.0, 2.5)


def test_a_deprecated_setting_is_announced_only_where_it_is_used() -> None:
    assert reading.announcements(Sample, Sources({"old": "x"})) == (
        Problem("old", "'old' goes away - use 'ratio'"),
    )
    assert reading.announcements(Sample, Sources({"old": " "})) == ()


def test_keys_that_nothing_reads_are_found() -> None:
    sources = Sources({"queue": "q", "queueName": "q", "lenght": "5", "queueFromEnv": "V", "anyFromEnv": "V"})
    assert reading.unread_keys(Sample, sources) == ("lenght", "queueFromEnv")


def test_a_setting_of_a_type_that_no_text_becomes_is_refused() -> None:
    with pytest.raises(TypeError, match="dict"):
        shape_of(dict[str, str])


@declared
class Clouded(Polled):
    types: ClassVar[tuple[str, ...]] = ("clouded",)
    identities: ClassVar[tuple[Provider, ...]] = ("aws",)


@pytest.mark.parametrize(("provider", "is_used"), [("aws", True), ("gcp", False), ("aws-eks", False)])
def test_an_identity_reaches_only_who_can_be_measured_with_it(provider: Provider, is_used: bool) -> None:
    identity = Identity(provider, role_arn="arn:x")
    built = reading.build(Clouded, Trigger(type="clouded", metadata={}), Sources(identity=identity), SCOPE)
    assert isinstance(built, Clouded)
    assert built.identity == (identity if is_used else None)
