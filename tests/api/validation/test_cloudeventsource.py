"""What is refused about sources of CloudEvents, and what keeps one from sending."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.decode import decode
from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.api.validation.problems import problems
from tidegate.review.notices.event_sources import event_source_notices

READY, FAILED = "keda.scaledobject.ready.v1", "keda.scaledobject.failed.v1"
HTTP = {"http": {"uri": "http://sink.example:8080/events"}}


def source(kind: str = "CloudEventSource", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.keda.sh/v1alpha1",
        "kind": kind,
        "metadata": {"name": "events"},
        "spec": {"destination": HTTP, **spec},
    }


@pytest.mark.parametrize("kind", ["CloudEventSource", "ClusterCloudEventSource"])
@pytest.mark.parametrize(
    ("subscription", "refused"),
    [
        ({}, []),
        ({"includedEventTypes": [READY]}, []),
        ({"excludedEventTypes": [READY, FAILED]}, []),
        ({"includedEventTypes": [READY], "excludedEventTypes": []}, []),
        (
            {"includedEventTypes": [READY], "excludedEventTypes": [FAILED]},
            [
                "spec.eventSubscription: Forbidden: setting included types and excluded types at the same "
                "time is not supported"
            ],
        ),
    ],
)
def test_included_or_excluded_types_and_not_both(kind: str, subscription: Any, refused: list[str]) -> None:
    assert [str(one) for one in problems(source(kind, eventSubscription=subscription))] == refused


@pytest.mark.parametrize("field", ["includedEventTypes", "excludedEventTypes"])
def test_a_type_that_is_none_is_refused(field: str) -> None:
    body = source(eventSubscription={field: [READY, "keda.scaledobject.failed.v2"]})
    (problem,) = problems(body)
    assert problem.path == f"spec.eventSubscription.{field}[1]"
    assert problem.message.startswith('Unsupported value: "keda.scaledobject.failed.v2": supported values: ')


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"destination": None}, "spec.destination"),
        ({"destination": {"http": {}}}, "spec.destination.http.uri"),
        ({"destination": {"azureEventGridTopic": {}}}, "spec.destination.azureEventGridTopic.endpoint"),
        ({"authenticationRef": {}}, "spec.authenticationRef.name"),
        ({"authenticationRef": {"name": "a", "kind": "Secret"}}, "spec.authenticationRef.kind"),
        ({"clusterName": 5}, "spec.clusterName"),
    ],
)
def test_what_the_schema_refuses(spec: dict[str, Any], path: str) -> None:
    assert [one.path for one in problems(source(**spec))] == [path]


def test_both_kinds_are_read_whole() -> None:
    spec = {
        "clusterName": "blue",
        "authenticationRef": {"name": "grid"},
        "destination": {"azureEventGridTopic": {"endpoint": "https://grid.example/api/events"}},
        "eventSubscription": {"includedEventTypes": [READY]},
    }
    read = decode(source(**spec))
    assert isinstance(read, CloudEventSource)
    assert read.spec.event_subscription is not None
    assert read.spec.event_subscription.included_event_types == (READY,)
    of_cluster = decode(source("ClusterCloudEventSource", **spec))
    assert isinstance(of_cluster, ClusterCloudEventSource)
    assert of_cluster.spec == read.spec


@pytest.mark.parametrize(
    ("api_version", "kind", "said"),
    [
        ("keda.sh/v1alpha1", "CloudEventSource", 'apiVersion: Unsupported value: "keda.sh/v1alpha1": '),
        (
            "eventing.keda.sh/v1alpha1",
            "ScaledJob",
            'apiVersion: Unsupported value: "eventing.keda.sh/v1alpha1',
        ),
        (
            "eventing.keda.sh/v1alpha1",
            "CloudEventSorce",
            'kind: Unsupported value: "CloudEventSorce": supported',
        ),
    ],
)
def test_a_kind_in_the_group_of_another_is_told(api_version: str, kind: str, said: str) -> None:
    (problem,) = problems({**source(kind), "apiVersion": api_version})
    assert str(problem).startswith(said)


@pytest.mark.parametrize(
    ("destination", "told"),
    [
        (HTTP, []),
        ({}, ["spec.destination"]),
        ({"http": {"uri": "aaa"}}, ["spec.destination.http.uri"]),
        ({"http": {"uri": ""}}, ["spec.destination.http.uri"]),
        ({"azureEventGridTopic": {"endpoint": "grid"}}, ["spec.destination.azureEventGridTopic.endpoint"]),
    ],
)
def test_a_destination_that_nothing_reaches_is_told(destination: Any, told: list[str]) -> None:
    read = decode(source(destination=destination))
    assert isinstance(read, CloudEventSource)
    assert [one.path for one in event_source_notices(read)] == told
