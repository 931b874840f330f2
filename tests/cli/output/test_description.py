"""Objects as text for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidegate.cli.output.description import described

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)

OBJECT: dict[str, Any] = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {
        "name": "worker",
        "namespace": "default",
        "creationTimestamp": "2026-01-01T11:00:00Z",
        "labels": {"b": "2", "a": "1"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{secret}"},
    },
    "spec": {"scaleTargetRef": {"name": "w"}, "triggers": [{"type": "redis", "metadata": {"listName": "x"}}]},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Fine", "message": "all is well"},
            {"type": "Active", "status": "Unknown"},
        ],
        "hpaName": "keda-hpa-worker",
    },
}


def event(reason: str, last: str, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {},
        "type": "Normal",
        "reason": reason,
        "lastTimestamp": last,
        "source": {"component": "keda-operator"},
        "message": f"{reason}\n",
        **more,
    }


def test_an_object_is_told_from_head_to_events() -> None:
    late = event("Late", "2026-01-01T11:59:50Z", count=3, firstTimestamp="2026-01-01T11:00:00Z")
    text = described(OBJECT, [late, event("Early", "2026-01-01T11:58:00Z")], NOW)
    assert (
        text
        == """\
Name:         worker
Namespace:    default
Labels:       a=1
              b=2
Annotations:  <none>
API Version:  keda.sh/v1alpha1
Kind:         ScaledObject
Created:      2026-01-01T11:00:00Z (60m ago)
Spec:
  scaleTargetRef:
    name:  w
  triggers:
    - type:  redis
      metadata:
        listName:  x
Status:
  hpaName:  keda-hpa-worker
Conditions:
  Type    Status   Reason  Message
  ----    ------   ------  -------
  Ready   True     Fine    all is well
  Active  Unknown
Events:
  Type    Reason  Age                From           Message
  ----    ------  ---                ----           -------
  Normal  Early   2m                 keda-operator  Early
  Normal  Late    10s (x3 over 60m)  keda-operator  Late
"""
    )


def test_values_of_secrets_are_never_shown() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"password": "aHVudGVyMg=="},
        "stringData": {"other": "open words"},
    }
    text = described(secret, [], NOW)
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text
    assert "open words" not in text
    assert "password:  7 bytes" in text
    assert "other:  10 bytes" in text


def test_events_without_their_old_fields_are_told_by_their_new_ones() -> None:
    new = {
        "metadata": {"creationTimestamp": "2026-01-01T11:00:00Z"},
        "type": "Warning",
        "reason": "New",
        "eventTime": "2026-01-01T11:50:00.000000Z",
        "series": {"count": 4, "lastObservedTime": "2026-01-01T11:59:00.000000Z"},
        "reportingComponent": "scheduler",
        "lastTimestamp": None,
        "source": None,
    }
    assert "Warning  New     60s (x4 over 10m)  scheduler" in described(OBJECT, [new], NOW)


def test_long_texts_keep_their_lines_and_obey_no_terminal_codes() -> None:
    text = described({**OBJECT, "data": {"run": "one\n\x1b[2Jtwo\n"}}, [], NOW)
    assert "Data:\n  run:\n    one\n    ?[2Jtwo\n" in text
