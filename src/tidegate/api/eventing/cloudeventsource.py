"""CloudEventSource and ClusterCloudEventSource: where events of the autoscaler are sent as CloudEvents."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tidegate.api.conditions import Condition
from tidegate.api.kinds import EVENTING_GROUP, Kind, condition_column
from tidegate.api.meta import ObjectMeta
from tidegate.api.triggers import AuthenticationRef
from tidegate.api.wire import Wire

EventType = Literal[
    "keda.scaledobject.ready.v1",
    "keda.scaledobject.failed.v1",
    "keda.scaledobject.removed.v1",
    "keda.scaledobject.paused.v1",
    "keda.scaledobject.unpaused.v1",
    "keda.scaledjob.ready.v1",
    "keda.scaledjob.failed.v1",
    "keda.scaledjob.removed.v1",
    "keda.scaledjob.paused.v1",
    "keda.scaledjob.unpaused.v1",
    "keda.scaledjob.rolloutcleanup.started.v1",
    "keda.scaledjob.rolloutcleanup.completed.v1",
    "keda.scaledjob.rolloutcleanup.failed.v1",
    "keda.authentication.triggerauthentication.created.v1",
    "keda.authentication.triggerauthentication.updated.v1",
    "keda.authentication.triggerauthentication.removed.v1",
    "keda.authentication.clustertriggerauthentication.created.v1",
    "keda.authentication.clustertriggerauthentication.updated.v1",
    "keda.authentication.clustertriggerauthentication.removed.v1",
]


class HttpDestination(Wire, frozen=True):
    uri: Annotated[str, Meta(description="Address that each event is posted to.")]


class EventGridDestination(Wire, frozen=True):
    endpoint: Annotated[str, Meta(description="Endpoint of the topic.")]


class Destination(Wire, frozen=True):
    http: Annotated[HttpDestination | None, Meta(description="An HTTP endpoint.")] = None
    azure_event_grid_topic: Annotated[
        EventGridDestination | None, Meta(description="A topic of Azure Event Grid.")
    ] = None


class EventSubscription(Wire, frozen=True):
    included_event_types: Annotated[
        tuple[EventType, ...] | None, Meta(description="Only these are sent.")
    ] = None
    excluded_event_types: Annotated[
        tuple[EventType, ...] | None, Meta(description="All but these are sent.")
    ] = None


class CloudEventSourceSpec(Wire, frozen=True):
    destination: Annotated[Destination, Meta(description="Where events are sent.")]
    cluster_name: Annotated[
        str | None, Meta(description="Name of the cluster in the events; kubernetes-default if not set.")
    ] = None
    authentication_ref: Annotated[
        AuthenticationRef | None, Meta(description="Authentication with the credentials of the destination.")
    ] = None
    event_subscription: Annotated[EventSubscription | None, Meta(description="Which events are sent.")] = None


class CloudEventSourceStatus(Wire, frozen=True):
    conditions: Annotated[tuple[Condition, ...] | None, Meta(description="The condition Active.")] = None


class CloudEventSource(Wire, frozen=True):
    """Sends the events of its namespace's objects to a destination."""

    KIND: ClassVar[Kind] = Kind(
        "CloudEventSource",
        "cloudeventsources",
        (),
        (condition_column("Active"),),
        group=EVENTING_GROUP,
    )

    metadata: ObjectMeta
    spec: Annotated[CloudEventSourceSpec, Meta(description="Where which events are sent.")]
    status: Annotated[CloudEventSourceStatus, Meta(description="Whether they are.")] = (
        CloudEventSourceStatus()
    )


class ClusterCloudEventSource(Wire, frozen=True):
    """Sends the events of all objects to a destination."""

    KIND: ClassVar[Kind] = Kind(
        "ClusterCloudEventSource",
        "clustercloudeventsources",
        (),
        (condition_column("Active"),),
        is_namespaced=False,
        group=EVENTING_GROUP,
    )

    metadata: ObjectMeta
    spec: Annotated[CloudEventSourceSpec, Meta(description="Where which events are sent.")]
    status: Annotated[CloudEventSourceStatus, Meta(description="Whether they are.")] = (
        CloudEventSourceStatus()
    )
