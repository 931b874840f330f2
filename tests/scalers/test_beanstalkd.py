"""The beanstalkd trigger: which server it names, what it counts, which mistakes it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.beanstalkd import BeanstalkdServer, JobCounts, TubeJobs
from tidegate.scalers.beanstalkd import BeanstalkdTube
from tidegate.testing.sheets import Sample

SAMPLES = {"beanstalkd": Sample(lambda _: JobCounts(ready=4, reserved=3, delayed=9))}
BASE = {"server": "jobs:11300", "tube": "emails", "value": "5"}
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def build(**metadata: str) -> Any:
    texts = {**BASE, **metadata}
    trigger = Trigger(type="beanstalkd", metadata=texts)
    return reading.build(BeanstalkdTube, trigger, Sources(texts, {}, {}), Scope("shop"))


@pytest.mark.parametrize(
    ("delayed", "value"), [("", 7), ("false", 7), ("true", 12)], ids=["default", "without", "with"]
)
def test_ready_and_reserved_jobs_count_and_delayed_ones_when_asked_for(delayed: str, value: float) -> None:
    scaler = build(includeDelayed=delayed)
    answers = {TubeJobs(BeanstalkdServer("jobs:11300"), "emails"): JobCounts(ready=4, reserved=3, delayed=5)}
    assert drive(scaler.measure(ASK, NOW), answers.__getitem__) == value


def test_target_and_activation_are_its_own() -> None:
    scaler = build(value="2.5", activationValue="3.5")
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, 3.5)
    assert build().activation_target() == 0


@pytest.mark.parametrize(
    ("server", "timeout", "expected"),
    [
        ("jobs:11300", "", BeanstalkdServer("jobs:11300")),
        ("jobs", "", BeanstalkdServer("jobs:11300")),
        ("::1", "", BeanstalkdServer("[::1]:11300")),
        ("jobs:1", "30", BeanstalkdServer("jobs:1")),
        ("jobs:1", "2s", BeanstalkdServer("jobs:1")),
        ("jobs:1", "10s", BeanstalkdServer("jobs:1", 10.0)),
        ("jobs:1", "10000", BeanstalkdServer("jobs:1", 10.0)),
    ],
)
def test_whom_it_asks(server: str, timeout: str, expected: BeanstalkdServer) -> None:
    assert build(server=server, timeout=timeout).server() == expected


@pytest.mark.parametrize(
    ("tube", "name"),
    [("no-delayed", "beanstalkd-no-delayed"), ("a/b", "beanstalkd-a-2Fb"), ("a+b", "beanstalkd-a-2Bb"),
     ("a.b_c", "beanstalkd-a-b_c"), ("$(x)", "beanstalkd--24-28x-29")],
)  # fmt: skip
def test_the_metric_is_named_after_the_tube(tube: str, name: str) -> None:
    assert build(tube=tube).metric_name() == name


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"server": ""}, ["server"]),
        ({"tube": "", "value": ""}, ["tube", "value"]),
        ({"server": "beanstalk://jobs"}, ["server"]),
        ({"server": "jobs:0"}, ["server"]),
        ({"tube": "-a"}, ["tube"]),
        ({"tube": "a b"}, ["tube"]),
        ({"tube": "a\r\nquit"}, ["tube"]),
        ({"tube": "ä"}, ["tube"]),
        ({"tube": "x" * 201}, ["tube"]),
        ({"value": "many"}, ["value"]),
        ({"timeout": "-1"}, ["timeout"]),
        ({"includeDelayed": "yes"}, ["includeDelayed"]),
        ({"server": "a/b", "tube": "?"}, ["server", "tube"]),
    ],
)
def test_a_mistake_is_told_by_its_setting(metadata: dict[str, str], paths: list[str]) -> None:
    problems = build(**metadata)
    assert isinstance(problems, tuple), problems
    assert [problem.path for problem in problems] == paths


def test_the_longest_name_is_one() -> None:
    assert isinstance(build(tube="x" * 200), BeanstalkdTube)
