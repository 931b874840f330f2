"""What KEDA's webhook refuses about a (Cluster)CloudEventSource; which types there are says the schema."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.validation.triggers import Object, part
from tidegate.base.problems import Problem

_BOTH = "setting included types and excluded types at the same time is not supported"


def event_source_problems(body: Object) -> Iterator[Problem]:
    subscription = part(body, "spec", "eventSubscription")
    if subscription.get("includedEventTypes") and subscription.get("excludedEventTypes"):
        yield Problem("spec.eventSubscription", f"Forbidden: {_BOTH}", "FieldValueForbidden")
