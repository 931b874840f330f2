"""Cloud Tasks: which queue's depth is asked for, and what a missing point means."""

from __future__ import annotations

from typing import Any

import pytest

from parts.google_trigger import ACCOUNT, AUTH, GOOGLE, build, measured
from tidegate.base.errors import Malformed
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_monitoring import NewestPoint
from tidegate.testing.sheets import Sample

SAMPLES = {"gcp-cloudtasks": Sample(may_be_negative=True, auth=AUTH)}

BASE = {"projectID": "shop-prod", "queueName": "myQueue"}
DEPTH = "cloudtasks.googleapis.com/queue/depth"


def made(**metadata: str) -> Any:
    return build("gcp-cloudtasks", {**BASE, **metadata})


@pytest.mark.parametrize(
    ("metadata", "horizon_s"),
    [
        ({}, 120),
        ({"filterDuration": "5"}, 300),
        ({"filterDuration": "0"}, 120),
        ({"filterDuration": "-3"}, 120),
    ],
)
def test_the_newest_depth_in_so_many_minutes_is_asked_for(metadata: dict[str, str], horizon_s: float) -> None:
    server = GcpServer("monitoring", ACCOUNT)
    question = NewestPoint(server, "shop-prod", DEPTH, "", "queue_id", "myQueue", horizon_s)
    assert measured(made(**metadata), 12.5) == (12.5, question)


def test_no_point_is_a_failure() -> None:
    with pytest.raises(Malformed, match=r"could not find stackdriver metric .* of queue myQueue"):
        measured(made(), None)


def test_the_metric_is_named_after_the_queue_and_its_target_is_a_hundred() -> None:
    scaler = made()
    assert scaler.metric_name() == "gcp-ct-myQueue"
    assert (scaler.metric_target(), scaler.activation_target()) == (100, 0)
    assert made(value="2.5", activationValue="1").metric_target() == 2.5


def test_the_autoscaler_s_own_identity_may_ask() -> None:
    scaler = build("gcp-cloudtasks", BASE, {}, GOOGLE)
    assert scaler.can_log_in(GOOGLE)
    assert scaler.server() == GcpServer("monitoring", None, "", GOOGLE)


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"queueName": ""}, None, ["queueName"]),
        ({"projectID": ""}, None, ["projectID"]),
        ({"projectID": 'x" OR "'}, None, ["projectID"]),
        ({"value": "many", "filterDuration": "1.5"}, None, ["value", "filterDuration"]),
        ({}, {}, ["GoogleApplicationCredentials"]),
        ({"credentialsFromEnvFile": "F"}, {}, ["credentialsFromEnvFile"]),
        ({"monitoringEndpoint": "monitoring"}, None, ["monitoringEndpoint"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str] | None, paths: list[str]
) -> None:
    assert [one.path for one in build("gcp-cloudtasks", {**BASE, **metadata}, auth)] == paths
