"""Cloud Spanner: which query is run where, and what its value is."""

from __future__ import annotations

from typing import Any

import pytest

from parts.google_trigger import ACCOUNT, AUTH, GOOGLE, build, measured
from tidegate.base.errors import Malformed
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_spanner import SpannerQuery
from tidegate.testing.sheets import Sample

SAMPLES = {"gcp-spanner": Sample(may_be_negative=True, auth=AUTH, zeros=(None,))}

SQL = "SELECT COUNT(*) FROM Orders"
BASE = {"projectId": "my-project", "instanceId": "my-instance", "databaseId": "my-db", "query": SQL}


def made(**metadata: str) -> Any:
    return build("gcp-spanner", {**BASE, **metadata})


def test_the_query_is_run_on_the_database() -> None:
    database = "projects/my-project/instances/my-instance/databases/my-db"
    assert measured(made(), 7) == (7, SpannerQuery(GcpServer("spanner", ACCOUNT), database, SQL))


def test_no_row_is_0_and_what_is_no_number_a_failure() -> None:
    assert measured(made(), None)[0] == 0
    for answer in ("7", True, float("nan")):
        with pytest.raises(Malformed):
            measured(made(), answer)


def test_the_metric_is_named_after_instance_database_and_project() -> None:
    scaler = made()
    assert scaler.metric_name() == "gcp-spanner-my-instance-my-db-my-project"
    assert (scaler.metric_target(), scaler.activation_target()) == (5, 0)


def test_the_autoscaler_s_own_identity_may_ask_google_alone() -> None:
    assert build("gcp-spanner", BASE, {}, GOOGLE).server() == GcpServer("spanner", None, "", GOOGLE)
    elsewhere = {**BASE, "spannerEndpoint": "http://127.0.0.1:9020"}
    assert build("gcp-spanner", elsewhere).server().origin() == "http://127.0.0.1:9020"
    assert [one.path for one in build("gcp-spanner", elsewhere, {}, GOOGLE)] == ["spannerEndpoint"]


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"projectId": "a/b"}, None, ["projectId"]),
        ({"instanceId": "a/b", "databaseId": "1"}, None, ["instanceId", "databaseId"]),
        ({"query": ""}, None, ["query"]),
        ({"targetValue": "0"}, None, ["targetValue"]),
        ({"targetValue": "-1"}, None, ["targetValue"]),
        ({"activationValue": "x"}, None, ["activationValue"]),
        ({}, {}, ["GoogleApplicationCredentials"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str] | None, paths: list[str]
) -> None:
    assert [one.path for one in build("gcp-spanner", {**BASE, **metadata}, auth)] == paths
