"""Triggers that ask a service of Google Cloud, built of texts and measured on an answer."""

from __future__ import annotations

import json
from typing import Any

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.identity import Identity, ServiceAccount
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope

KEY = {
    "type": "service_account",
    "project_id": "home",
    "private_key": "hunter2",
    "client_email": "me@home.iam.gserviceaccount.com",
}
AUTH = {"GoogleApplicationCredentials": json.dumps(KEY)}
ACCOUNT = ServiceAccount("me@home.iam.gserviceaccount.com", "hunter2", project="home")
GOOGLE = Identity("gcp")


def build(
    type: str,
    metadata: dict[str, str],
    auth: dict[str, str] | None = None,
    identity: Identity | None = None,
) -> Any:
    """The scaler, or its problems."""
    kind = scalers.find(type)
    assert kind is not None
    sources = Sources(metadata, {}, AUTH if auth is None else auth, identity=identity)
    return reading.build(kind, Trigger(type=type, metadata=metadata), sources, Scope("shop"))


def measured(scaler: Any, answer: Any) -> tuple[float, Any]:
    """The value on that answer, and the question."""
    asked: list[Any] = []

    def told(question: Any) -> Any:
        asked.append(question)
        return answer

    value = drive(scaler.measure(ASK, None), told)
    (question,) = asked
    return value, question
