"""core/v1 Events: the same news about the same object is one Event whose count rises. Pure."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

import msgspec

from tidegate.base.times import format_time, parse_time
from tidegate.local.objects import Object

KEPT = timedelta(hours=1)
_NAME_MAX, _MESSAGE_MAX = 253 - 17, 1024


def event_body(about: Object, type: str, reason: str, message: str, source: str) -> Object:
    """The Event without its moments; its name is the same for the same news."""
    meta = about["metadata"]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    if meta.get("namespace"):
        involved["namespace"] = meta["namespace"]
    message = message[:_MESSAGE_MAX]
    news = "\0".join((about["kind"], meta["name"], meta.get("uid", ""), type, reason, message, source))
    digest = hashlib.sha256(news.encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{_plain(meta['name'])}.{digest}",
            "namespace": meta.get("namespace") or "default",
        },
        "involvedObject": involved,
        "type": type,
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "reportingComponent": source,
        "reportingInstance": "",
    }


def _plain(name: str) -> str:
    """A name that an Event may bear, for objects whose kinds allow more."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower())[:_NAME_MAX].strip(".-") or "object"


def first(body: Object, now: datetime) -> Object:
    """The Event as it is when it happens for the first time."""
    moment = format_time(now)
    return {**body, "firstTimestamp": moment, "lastTimestamp": moment, "count": 1}


def again(known: Object, now: datetime) -> Object:
    """The merge patch for one more of the same."""
    return {"count": int(known.get("count") or 1) + 1, "lastTimestamp": format_time(now)}


class _Meta(msgspec.Struct):
    creationTimestamp: str = ""


class _Series(msgspec.Struct):
    lastObservedTime: str | None = None


class _Moments(msgspec.Struct):
    metadata: _Meta
    lastTimestamp: str | None = None
    eventTime: str | None = None
    series: _Series | None = None


_decode = msgspec.json.Decoder(_Moments).decode


def is_expired(body: bytes, now: datetime) -> bool:
    """Whether an Event last happened more than an hour ago."""
    moments = _decode(body)
    repeated = moments.series.lastObservedTime if moments.series else None
    last = repeated or moments.lastTimestamp or moments.eventTime or moments.metadata.creationTimestamp
    try:
        return now - parse_time(last) > KEPT
    except ValueError:
        return True
