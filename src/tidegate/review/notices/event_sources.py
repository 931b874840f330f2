"""What keeps a (Cluster)CloudEventSource from sending anything, though nothing refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.base.problems import Problem

_PATH = "spec.destination"


def event_source_notices(object: CloudEventSource | ClusterCloudEventSource) -> Iterator[Problem]:
    destination = object.spec.destination
    if destination.http is None and destination.azure_event_grid_topic is None:
        message = "names neither http nor azureEventGridTopic: nothing is sent"
        yield Problem(_PATH, message, "FieldValueRequired")
    if destination.http is not None and not _is_http_url(destination.http.uri):
        yield Problem(f"{_PATH}.http.uri", "is no http or https URL with a host: nothing is sent there")
    grid = destination.azure_event_grid_topic
    if grid is not None and not _is_http_url(grid.endpoint):
        message = "is no http or https URL with a host: nothing is sent there"
        yield Problem(f"{_PATH}.azureEventGridTopic.endpoint", message)


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
