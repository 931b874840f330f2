"""An object and its events as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tidegate.base.bytetext import to_bytes
from tidegate.base.times import age, parse_time
from tidegate.cli.cluster.three_way_merge import LAST_APPLIED
from tidegate.cli.output.text_columns import cell, lines

Object = dict[str, Any]

_HEAD = ("apiVersion", "kind", "metadata", "status", "spec")
_INDENT = "  "


def described(item: Object, events: list[Object], now: datetime) -> str:
    """Head, spec and other fields, status, conditions as a table, events with the newest last."""
    item = guarded(item)
    metadata = item["metadata"]
    parts = list(lines(_head(item, metadata, now), gap=2, least=0))
    for name in ("spec", *(name for name in item if name not in _HEAD), "status"):
        value = item.get(name)
        if name == "status" and isinstance(value, dict):
            value = {key: one for key, one in value.items() if key != "conditions"}
        if value not in (None, {}, []):
            parts += _entry(f"{name[:1].upper()}{name[1:]}", value, "")
    conditions = (item.get("status") or {}).get("conditions")
    if conditions:
        parts += ["Conditions:", *_table(_conditions(conditions, now))]
    parts += ["Events:", *_table(_events(events, now))] if events else ["Events:  <none>"]
    return "".join(f"{part.rstrip()}\n" for part in parts)


def guarded(item: Object) -> Object:
    """The object without what must not be shown: a Secret's values become their sizes."""
    if item.get("kind") != "Secret":
        return item
    shown = dict(item)
    for name in ("data", "stringData"):
        if isinstance(item.get(name), dict):
            shown[name] = {key: f"{_size(value)} bytes" for key, value in item[name].items()}
    return shown


def _size(value: Any) -> int:
    try:
        return len(to_bytes(str(value)))
    except ValueError:
        return len(str(value))


def _head(item: Object, metadata: Object, now: datetime) -> list[list[str]]:
    rows = [["Name:", metadata["name"]]]
    if metadata.get("namespace"):
        rows.append(["Namespace:", metadata["namespace"]])
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED
    }
    rows += _pairs("Labels:", "=", metadata.get("labels") or {})
    rows += _pairs("Annotations:", ": ", annotations)
    rows += [["API Version:", item.get("apiVersion", "")], ["Kind:", item.get("kind", "")]]
    created = metadata.get("creationTimestamp")
    rows.append(["Created:", f"{created} ({_since(created, now)} ago)" if created else "<unknown>"])
    if metadata.get("deletionTimestamp"):
        rows.append(["Being deleted:", f"since {_since(metadata['deletionTimestamp'], now)}"])
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            rows.append(["Controlled By:", f"{owner.get('kind')}/{owner.get('name')}"])
    if metadata.get("finalizers"):
        rows.append(["Finalizers:", ", ".join(metadata["finalizers"])])
    return rows


def _pairs(title: str, between: str, values: Object) -> list[list[str]]:
    texts = [f"{key}{between}{cell(value)}" for key, value in sorted(values.items())] or ["<none>"]
    return [[title if not at else "", text] for at, text in enumerate(texts)]


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    """`name: value`, or the name and what it holds below it; the names are those of the manifest."""
    if isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, below in value.items():
            yield from _entry(str(key), below, indent + _INDENT)
    elif isinstance(value, list) and value:
        yield f"{indent}{name}:"
        for one in value:
            yield from _element(one, indent + _INDENT)
    elif isinstance(value, str) and "\n" in value:
        yield f"{indent}{name}:"
        yield from (f"{indent}{_INDENT}{cell(text)}" for text in value.splitlines())
    else:
        yield f"{indent}{name}:  {_scalar(value)}"


def _element(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        rows = (
            [text for key, below in value.items() for text in _entry(str(key), below, "")]
            if isinstance(value, dict)
            else [text for one in value for text in _element(one, "")]
        )
        for at, text in enumerate(rows):
            yield f"{indent}{'- ' if not at else '  '}{text}"
    else:
        texts = str(_scalar(value)).splitlines() if isinstance(value, str) else [_scalar(value)]
        for at, text in enumerate(texts or [""]):
            yield f"{indent}{'- ' if not at else '  '}{cell(text)}"


def _scalar(value: Any) -> str:
    if value is None or value in ({}, []):
        return "<none>" if value is None else str(value)
    return value if isinstance(value, str) and "\n" in value else cell(value)


def _table(rows: list[list[str]]) -> list[str]:
    underlined = [rows[0], ["-" * len(title) for title in rows[0]], *rows[1:]]
    return [f"{_INDENT}{text}" for text in lines(underlined, gap=2, least=0)]


def _conditions(conditions: list[Object], now: datetime) -> list[list[str]]:
    has_age = any(one.get("lastTransitionTime") for one in conditions)
    rows = [["Type", "Status", *(["Age"] if has_age else []), "Reason", "Message"]]
    for one in conditions:
        since = [_since(one.get("lastTransitionTime"), now)] if has_age else []
        words = [cell(one.get(name)) for name in ("type", "status", "reason", "message")]
        rows.append([*words[:2], *since, *words[2:]])
    return rows


def _events(events: list[Object], now: datetime) -> list[list[str]]:
    rows = [["Type", "Reason", "Age", "From", "Message"]]
    for event in sorted(events, key=_moment):
        source = event.get("source") or {}
        sender = source.get("component") or event.get("reportingComponent") or ""
        if source.get("host"):
            sender = f"{sender}, {source['host']}"
        rows.append(
            [
                cell(event.get("type")),
                cell(event.get("reason")),
                _event_age(event, now),
                cell(sender),
                cell(str(event.get("message") or "").strip()),
            ]
        )
    return rows


def _moment(event: Object) -> str:
    """When it happened last. Times of the API sort as text, fractions aside."""
    series = event.get("series") or {}
    found = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return str(found or "")


def _event_age(event: Object, now: datetime) -> str:
    series = event.get("series") or {}
    count = series.get("count") or event.get("count") or 1
    last = _since(_moment(event), now)
    if count < 2:
        return last
    return f"{last} (x{count} over {_since(event.get('firstTimestamp') or event.get('eventTime'), now)})"


def _since(text: Any, now: datetime) -> str:
    try:
        return age((now - parse_time(str(text))).total_seconds())
    except ValueError:
        return "<unknown>"
