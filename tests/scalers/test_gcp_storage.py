"""Cloud Storage: which objects are counted, up to how many."""

from __future__ import annotations

from typing import Any

import pytest

from parts.google_trigger import ACCOUNT, AUTH, GOOGLE, build, measured
from tidegate.base.errors import Malformed
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_storage import ObjectCount
from tidegate.testing.sheets import Sample

SAMPLES = {"gcp-storage": Sample(auth=AUTH)}

BASE = {"bucketName": "test-bucket"}
SERVER = GcpServer("storage", ACCOUNT)


def made(**metadata: str) -> Any:
    return build("gcp-storage", {**BASE, **metadata})


@pytest.mark.parametrize(
    ("metadata", "question"),
    [
        ({}, ObjectCount(SERVER, "test-bucket", 1000)),
        (
            {"maxBucketItemsToScan": "20", "blobPrefix": "in/", "blobDelimiter": "/"},
            ObjectCount(SERVER, "test-bucket", 20, "in/", "/"),
        ),
    ],
)
def test_objects_are_counted_up_to_a_limit(metadata: dict[str, str], question: ObjectCount) -> None:
    assert measured(made(**metadata), 7) == (7, question)


@pytest.mark.parametrize("answer", [None, -1, 7.5, "7", True])
def test_what_is_no_count_is_a_failure(answer: Any) -> None:
    with pytest.raises(Malformed):
        measured(made(), answer)


def test_the_metric_is_named_after_the_bucket() -> None:
    scaler = made()
    assert scaler.metric_name() == "gcp-storage-test-bucket"
    assert made(bucketName="a.b-c").metric_name() == "gcp-storage-a-b-c"
    assert (scaler.metric_target(), scaler.activation_target()) == (100, 0)


def test_the_autoscaler_s_own_identity_may_ask_google_alone() -> None:
    assert build("gcp-storage", BASE, {}, GOOGLE).server() == GcpServer("storage", None, "", GOOGLE)
    elsewhere = {**BASE, "storageEndpoint": "http://fake-gcs:4443"}
    assert build("gcp-storage", elsewhere).server().origin() == "http://fake-gcs:4443"
    assert [one.path for one in build("gcp-storage", elsewhere, {}, GOOGLE)] == ["storageEndpoint"]


def test_an_activation_that_is_never_exceeded_is_told() -> None:
    limits = {"maxBucketItemsToScan": "20", "activationTargetObjectCount": "20"}
    assert [one.path for one in made(**limits).notices()] == ["activationTargetObjectCount"]
    assert [*made().notices()] == []


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"bucketName": ""}, None, ["bucketName"]),
        ({"bucketName": "a/b"}, None, ["bucketName"]),
        ({"targetObjectCount": "0"}, None, ["targetObjectCount"]),
        ({"activationTargetObjectCount": "-1"}, None, ["activationTargetObjectCount"]),
        ({"maxBucketItemsToScan": "0"}, None, ["maxBucketItemsToScan"]),
        ({"targetObjectCount": "1.5"}, None, ["targetObjectCount"]),
        ({}, {}, ["GoogleApplicationCredentials"]),
        ({"credentialsFromEnvFile": "F"}, {}, ["credentialsFromEnvFile"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str] | None, paths: list[str]
) -> None:
    assert [one.path for one in build("gcp-storage", {**BASE, **metadata}, auth)] == paths
