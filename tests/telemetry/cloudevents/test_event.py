"""What a CloudEvent looks like on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tidegate.telemetry.cloudevents.event import CloudEvent, batch, binary, header_value

EVENT = CloudEvent(
    "a-1",
    "/cluster/keda/keda",
    "keda.scaledobject.failed.v1",
    "/cluster/shop/scaledobject/web",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "ScaledObjectCheckFailed",
    'no "scaler" found',
)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("/cluster/shop/scaledobject/web", "/cluster/shop/scaledobject/web"),
        ("a b", "a%20b"),
        ('100% "sure"', "100%25%20%22sure%22"),
        ("Euro € \U0001f600", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("line\r\nInjected: yes", "line%0D%0AInjected:%20yes"),
        ("~!", "~!"),
    ],
)
def test_a_header_value_is_encoded_as_the_specification_says(text: str, encoded: str) -> None:
    assert header_value(text) == encoded


def test_in_binary_mode_attributes_are_headers_and_the_content_is_the_body() -> None:
    headers, body = binary(EVENT)
    assert dict(headers) == {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "a-1",
        "ce-source": "/cluster/keda/keda",
        "ce-type": "keda.scaledobject.failed.v1",
        "ce-subject": "/cluster/shop/scaledobject/web",
        "ce-time": "2026-01-02T03:04:05Z",
    }
    assert msgspec.json.decode(body) == {"reason": "ScaledObjectCheckFailed", "message": 'no "scaler" found'}


def test_a_batch_holds_whole_events() -> None:
    headers, body = batch([EVENT])
    assert dict(headers) == {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    (one,) = msgspec.json.decode(body)
    assert one["datacontenttype"] == "application/json"
    assert one["data"]["reason"] == "ScaledObjectCheckFailed"
    assert (one["specversion"], one["id"], one["time"]) == ("1.0", "a-1", "2026-01-02T03:04:05Z")
