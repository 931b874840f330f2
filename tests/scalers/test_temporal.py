"""Temporal: which backlogs count in which mode, what makes it active, logins, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed, Unreachable
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scope
from tidegate.kit.systems.temporal import (
    BuildBacklog,
    DeploymentVersion,
    QueueBacklog,
    TemporalServer,
    VersionQueues,
    WorkflowCount,
)
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"temporal": Sample(values=(14,))}  # workflow and activity, seven each

VERSIONED = {"workerDeploymentName": "orders", "workerDeploymentBuildId": "1.4"}
COUNTED = {"includeRunningWorkflowCount": "true"}


def build(auth: dict[str, str] | None = None, env: dict[str, str] | None = None, **metadata: str) -> Any:
    kind = scalers.find("temporal")
    assert kind is not None
    texts = {"endpoint": "temporal:7233", "taskQueue": "q", **metadata}
    sources = Sources(texts, env or {}, auth or {})
    return reading.build(kind, Trigger(type="temporal", metadata=texts), sources, Scope("shop"))


def measured(scaler: Any, **answers: Any) -> tuple[Any, list[Any]]:
    """What comes of a measurement, by the kind of its questions, and what was asked."""
    asked: list[Any] = []

    def answer(question: Any) -> Any:
        asked.append(question)
        return answers[type(question).__name__]

    return drive(scaler.measure(ASK, None), answer), asked


# --- what is asked


@pytest.mark.parametrize(
    ("metadata", "types"),
    [
        ({}, ["activity", "workflow", "nexus"]),
        ({"queueTypes": "workflow"}, ["workflow"]),
        ({"queueTypes": "nexus, activity,"}, ["activity", "nexus"]),
        ({"queueTypes": "workflow,workflow"}, ["workflow"]),
    ],
)
def test_each_type_of_a_queue_is_asked_for_and_added_up(metadata: dict[str, str], types: list[str]) -> None:
    value, asked = measured(build(**metadata), QueueBacklog=3)
    server = TemporalServer("temporal:7233")
    assert asked == [QueueBacklog(server, "default", "q", type) for type in types]  # type: ignore[arg-type]
    assert value == 3 * len(types)


QUEUES = VersionQueues(
    "current",
    (("q", "workflow", 2), ("q", "activity", 30), ("other", "workflow", 400), ("q", "unknown", 5000)),
)


@pytest.mark.parametrize(
    ("metadata", "value"),
    [({}, 32), ({"queueTypes": "activity"}, 30), ({"queueTypes": "nexus"}, 0), ({"taskQueue": "other"}, 400)],
)
def test_a_version_is_asked_for_once_and_its_queue_picked(metadata: dict[str, str], value: int) -> None:
    found, asked = measured(build(**VERSIONED, **metadata), DeploymentVersion=QUEUES)
    assert found == value
    assert asked == [DeploymentVersion(TemporalServer("temporal:7233"), "default", "orders", "1.4")]


def test_a_queue_that_no_worker_of_the_version_ever_polled_is_no_empty_one() -> None:
    with pytest.raises(Malformed, match=r"no worker of build 1\.4 of orders ever polled it"):
        measured(build(**{**VERSIONED, "taskQueue": "odrers"}), DeploymentVersion=QUEUES)


@pytest.mark.parametrize(
    ("metadata", "rest"),
    [
        ({"buildId": "b1"}, ("b1", False, False)),
        ({"selectAllActive": "true"}, ("", True, False)),
        ({"selectUnversioned": "true", "buildId": "b1"}, ("b1", False, True)),
    ],
)
def test_the_older_selections_are_one_call(metadata: dict[str, str], rest: tuple[Any, ...]) -> None:
    value, asked = measured(build(**metadata, queueTypes="activity"), BuildBacklog=9)
    assert (value, asked) == (
        9,
        [BuildBacklog(TemporalServer("temporal:7233"), "default", "q", ("activity",), *rest)],
    )


# --- what makes it active beside the backlog


RUNNING = "ExecutionStatus = 'Running' AND TaskQueue = "


@pytest.mark.parametrize(
    ("metadata", "backlog", "running", "active", "query"),
    [
        ({}, 0, 0, False, f"{RUNNING}'q' AND TemporalWorkerDeploymentVersion is null"),
        ({}, 0, 2, True, f"{RUNNING}'q' AND TemporalWorkerDeploymentVersion is null"),
        ({"workflowTaskQueueForCount": "w/1"}, 0, 1, True, f"{RUNNING}'w/1' AND TemporalWorkerDeployment"),
        ({"buildId": "b"}, 0, 1, True, f"{RUNNING}'q'"),
        ({}, 1, 0, True, None),
        ({"activationTargetQueueSize": "3"}, 1, 0, False, f"{RUNNING}'q'"),
        ({"activationTargetQueueSize": "3"}, 1, 1, True, f"{RUNNING}'q'"),
    ],
)
def test_running_workflows_are_counted_where_the_backlog_does_not_say_active(
    metadata: dict[str, str], backlog: int, running: int, active: bool, query: str | None
) -> None:
    scaler = build(**COUNTED, **metadata, queueTypes="workflow")
    answers = {"QueueBacklog": backlog, "BuildBacklog": backlog, "WorkflowCount": running}
    found, asked = measured(scaler, **answers)
    assert found == Measured((float(backlog),), active)
    counted = [one.query for one in asked if isinstance(one, WorkflowCount)]
    assert len(counted) == int(query is not None)
    assert all(one.startswith(query) for one in counted)


@pytest.mark.parametrize(
    ("status", "active", "is_counted"),
    [
        ("draining", True, False),
        ("current", True, True),
        ("ramping", True, True),
        ("inactive", False, False),
        ("drained", False, False),
        ("created", False, False),
        ("unknown", False, False),
    ],
)
def test_the_status_of_a_version_says_whether_its_workflows_matter(
    status: str, active: bool, is_counted: bool
) -> None:
    version = VersionQueues(status, (("q", "workflow", 0),))
    found, asked = measured(build(**COUNTED, **VERSIONED), DeploymentVersion=version, WorkflowCount=1)
    assert found == Measured((0.0,), active)
    counted = [one.query for one in asked if isinstance(one, WorkflowCount)]
    assert counted == [f"{RUNNING}'q' AND TemporalWorkerDeploymentVersion = 'orders:1.4'"] * is_counted


def test_a_count_that_fails_is_no_count_of_none() -> None:
    with pytest.raises(Unreachable):
        measured(build(**COUNTED), QueueBacklog=0, WorkflowCount=Unreachable("count"))


# --- the frontend and the login


@pytest.mark.parametrize(
    ("metadata", "auth", "server"),
    [
        ({}, {}, TemporalServer("temporal:7233")),
        ({}, {"ca": "roots"}, TemporalServer("temporal:7233")),
        ({"tlsServerName": "n"}, {}, TemporalServer("temporal:7233")),
        ({}, {"apiKey": "k"}, TemporalServer("temporal:7233", "k", Tls())),
        (
            {"tlsServerName": "n", "unsafeSsl": "true"},
            {"apiKey": "k", "ca": "roots"},
            TemporalServer("temporal:7233", "k", Tls("roots", is_verified=False), "n"),
        ),
        ({"enableTLS": "false"}, {"apiKey": "k"}, TemporalServer("temporal:7233", "k")),
        (
            {"enableTLS": "false"},
            {"apiKey": "k", "cert": "c", "key": "p", "keyPassword": "w"},
            TemporalServer("temporal:7233", "k", Tls("", "c", "p", "w")),
        ),
        ({"minConnectTimeout": "0"}, {}, TemporalServer("temporal:7233", connect_s=0)),
        ({"minConnectTimeout": "3600"}, {}, TemporalServer("temporal:7233", connect_s=60)),
    ],
)
def test_a_certificate_or_a_key_switches_tls_on(
    metadata: dict[str, str], auth: dict[str, str], server: TemporalServer
) -> None:
    assert build(auth, **metadata).server() == server


def test_names_and_the_key_may_come_from_variables() -> None:
    names = (
        "endpoint",
        "namespace",
        "taskQueue",
        "workerDeploymentName",
        "workerDeploymentBuildId",
        "apiKey",
    )
    metadata = {f"{name}FromEnv": name.upper() for name in names}
    found = build(
        None, {name.upper(): f"env-{name}" for name in names}, endpoint="", taskQueue="", **metadata
    )
    assert found.server().address == "env-endpoint"
    assert found.server().api_key == "env-apiKey"
    assert found.metric_name() == (
        "temporal-env-namespace-env-taskQueue-env-workerDeploymentName-env-workerDeploymentBuildId"
    )


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"tlsServerName": "n", "unsafeSsl": "true"}, {"ca": "c"}, ["ca", "unsafeSsl", "tlsServerName"]),
        ({"tlsServerName": "n", "unsafeSsl": "true"}, {"ca": "c", "apiKey": "k"}, []),
    ],
)
def test_what_does_nothing_without_tls_is_told(
    metadata: dict[str, str], auth: dict[str, str], paths: list[str]
) -> None:
    assert [one.path for one in build(auth, **metadata).notices()] == paths


def test_the_older_selections_are_told_to_be_old() -> None:
    kind = scalers.find("temporal")
    assert kind is not None
    texts = {"buildId": "b", "selectAllActive": "false", "selectUnversioned": "true"}
    told = [one.path for one in reading.announcements(kind, Sources(texts))]
    assert sorted(told) == ["buildId", "selectAllActive", "selectUnversioned"]


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"endpoint": "", "taskQueue": ""}, {}, ["taskQueue", "endpoint"]),
        ({"endpoint": "http://temporal:7233"}, {}, ["endpoint"]),
        ({"endpoint": "temporal:7233/"}, {}, ["endpoint"]),
        ({"targetQueueSize": "-1"}, {}, ["targetQueueSize"]),
        ({"activationTargetQueueSize": "-1"}, {}, ["activationTargetQueueSize"]),
        ({"minConnectTimeout": "-1"}, {}, ["minConnectTimeout"]),
        ({"queueTypes": "workflows"}, {}, ["queueTypes"]),
        ({}, {"cert": "c"}, ["key"]),
        ({}, {"key": "c"}, ["cert"]),
        ({"workerDeploymentName": "d"}, {}, ["workerDeploymentBuildId"]),
        ({"workerDeploymentBuildId": "d"}, {}, ["workerDeploymentName"]),
        ({**VERSIONED, "buildId": "b"}, {}, ["workerDeploymentName"]),
        ({"workflowTaskQueueForCount": "q"}, {}, ["workflowTaskQueueForCount"]),
        ({**COUNTED, "taskQueue": "it's"}, {}, ["includeRunningWorkflowCount"]),
        ({**COUNTED, **VERSIONED, "workerDeploymentName": "a b"}, {}, ["includeRunningWorkflowCount"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str], paths: list[str]
) -> None:
    assert [one.path for one in build(auth, **metadata)] == paths


@pytest.mark.parametrize("metadata", [{}, {**COUNTED, "workflowTaskQueueForCount": "q"}])
def test_a_queue_may_be_called_anything_where_no_query_names_it(metadata: dict[str, str]) -> None:
    assert build(taskQueue="it's", **metadata).metric_name() == "temporal-default-it's"


def test_a_target_of_0_is_taken() -> None:
    assert build(targetQueueSize="0").metric_target() == 0
    assert (build().metric_target(), build().activation_target()) == (5, 0)
    assert build(**VERSIONED).metric_name() == "temporal-default-q-orders-1-4"
