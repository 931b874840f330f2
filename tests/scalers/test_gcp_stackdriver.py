"""Cloud Monitoring by a filter: what is asked, and what a missing point means."""

from __future__ import annotations

from typing import Any

import pytest

from parts.google_trigger import ACCOUNT, AUTH, GOOGLE, build, measured
from tidegate.base.errors import Malformed
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_monitoring import FilteredPoint
from tidegate.testing.sheets import Sample

SAMPLES = {"gcp-stackdriver": Sample(may_be_negative=True, auth=AUTH)}

FILTER = 'metric.type="run.googleapis.com/request_count"'
BASE = {"projectId": "myProject", "filter": FILTER}


def made(**metadata: str) -> Any:
    return build("gcp-stackdriver", {**BASE, **metadata})


def point(*asked: Any) -> FilteredPoint:
    return FilteredPoint(GcpServer("monitoring", ACCOUNT), "myProject", FILTER, *asked)


@pytest.mark.parametrize(
    ("metadata", "question"),
    [
        ({}, point(120)),
        ({"filterDuration": "7"}, point(420)),
        ({"filterDuration": "-1"}, point(120)),
        ({"alignmentPeriodSeconds": "60"}, point(120, 60)),
        (
            {
                "alignmentPeriodSeconds": "120",
                "alignmentAligner": "Rate",
                "alignmentReducer": "percentile_99",
            },
            point(120, 120, "ALIGN_RATE", "REDUCE_PERCENTILE_99"),
        ),
        ({"alignmentAligner": "rate", "alignmentReducer": "unheard-of"}, point(120)),
    ],
)
def test_the_filter_is_asked_with_its_window_and_alignment(
    metadata: dict[str, str], question: FilteredPoint
) -> None:
    assert measured(made(**metadata), 3.25) == (3.25, question)


def test_no_point_is_a_failure_unless_there_is_a_value_for_it() -> None:
    with pytest.raises(Malformed, match="could not find stackdriver metric with filter metric"):
        measured(made(), None)
    assert measured(made(valueIfNull="0"), None)[0] == 0
    assert measured(made(valueIfNull="-1.5"), None)[0] == -1.5


def test_the_metric_is_named_after_the_project() -> None:
    scaler = made()
    assert scaler.metric_name() == "gcp-stackdriver-myProject"
    assert (scaler.metric_target(), scaler.activation_target()) == (5, 0)
    assert made(activationTargetValue="2", targetValue="0.5").activation_target() == 2


def test_the_autoscaler_s_own_identity_may_ask() -> None:
    assert build("gcp-stackdriver", BASE, {}, GOOGLE).server() == GcpServer("monitoring", None, "", GOOGLE)


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"alignmentAligner": "rate"}, ["alignmentAligner"]),
        ({"alignmentReducer": "sum"}, ["alignmentReducer"]),
        ({"alignmentPeriodSeconds": "300"}, ["filterDuration"]),
        ({"alignmentPeriodSeconds": "300", "filterDuration": "10"}, []),
    ],
)
def test_what_does_nothing_is_told_beside_it(metadata: dict[str, str], paths: list[str]) -> None:
    assert [one.path for one in made(**metadata).notices()] == paths


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"filter": ""}, None, ["filter"]),
        ({"projectId": "a/b"}, None, ["projectId"]),
        ({"alignmentPeriodSeconds": "59"}, None, ["alignmentPeriodSeconds"]),
        ({"alignmentPeriodSeconds": "-60"}, None, ["alignmentPeriodSeconds"]),
        (
            {"alignmentPeriodSeconds": "60", "alignmentAligner": "fast", "alignmentReducer": "rate"},
            None,
            ["alignmentAligner", "alignmentReducer"],
        ),
        ({"targetValue": "x", "valueIfNull": "y"}, None, ["targetValue", "valueIfNull"]),
        ({}, {}, ["GoogleApplicationCredentials"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str] | None, paths: list[str]
) -> None:
    assert [one.path for one in build("gcp-stackdriver", {**BASE, **metadata}, auth)] == paths
