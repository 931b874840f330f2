"""How a trigger's texts become a scaler: all values read, all problems told at once.

A message shows a value only where the user wrote it in the trigger's metadata and it is no
secret: what comes from the environment or a TriggerAuthentication often comes from a Secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit.identity import Identity
from tidegate.kit.scaler import Native, Passing, Scaler, Scope
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, Declared, Source, settings_of
from tidegate.kit.unread import certain_problems

FROM_ENV = "FromEnv"
METRIC_TYPE = "metricType"


@dataclass(frozen=True, slots=True)
class Sources:
    """A trigger's texts: its metadata, the target container's environment, its authentication.

    `unset` says of variables that the metadata names why they are not there; `identity` is the one that the
    authentication names.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    unset: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None


def build(
    kind: type[Scaler], trigger: Trigger, sources: Sources, scope: Scope
) -> Scaler | tuple[Problem, ...]:
    """The scaler that a trigger declares, or every problem with it (at least one).

    A problem's path is the setting's name, or `metricType`; `field_path` completes it.
    """
    problems = [*_metric_type_problems(kind, trigger)]
    values: dict[str, Any] = {"type": trigger.type, "scope": scope, "identity": None}
    if issubclass(kind, Native):
        values["metric_type"] = trigger.metric_type or ""
    if sources.identity is not None and sources.identity.provider in kind.identities:
        values["identity"] = sources.identity
    if issubclass(kind, Passing):
        values["passed"] = tuple(_passed(sources))
    unread: list[Declared] = []
    for one in settings_of(kind):
        value = _read(one, sources)
        if isinstance(value, Problem):
            problems.append(value)
            unread.append(one)
        else:
            values[one.attribute] = value
    if unread:
        return (*problems, *certain_problems(kind, values, unread))
    scaler = kind(**values)
    problems += scaler.check()
    return tuple(problems) or scaler


def _passed(sources: Sources) -> Iterator[tuple[str, str]]:
    for key, text in sources.metadata.items():
        if not key.endswith(FROM_ENV):
            yield key, text
        elif value := sources.env.get(text.strip(), ""):
            yield key, value


def announcements(kind: type[Scaler], sources: Sources) -> tuple[Problem, ...]:
    """What to tell about settings that work but should no longer be written."""
    return tuple(
        Problem(one.name, one.setting.announcement)
        for one in settings_of(kind)
        if one.setting.announcement and _find(one, sources) is not None
    )


def unread_keys(kind: type[Scaler], sources: Sources) -> tuple[str, ...]:
    """Keys of the metadata that no setting of `kind` reads: ignored, and often misspelt."""
    if issubclass(kind, Passing):
        return ()
    known = readable_keys(kind)
    return tuple(key for key in sources.metadata if key not in known)


def readable_keys(kind: type[Scaler]) -> frozenset[str]:
    """Keys of the metadata that settings of `kind` are read from."""
    known: set[str] = set()
    for one in settings_of(kind):
        for name in one.setting.names:
            if METADATA in one.setting.sources:
                known.add(name)
            if ENVIRONMENT in one.setting.sources:
                known.add(name + FROM_ENV)
    return frozenset(known)


def field_path(problem: Problem) -> str:
    """Where a problem of `build` stands within its trigger: `metadata.listLength`, `metricType`."""
    return METRIC_TYPE if problem.path == METRIC_TYPE else f"metadata.{problem.path}"


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    key: str
    source: Source


def _find(one: Declared, sources: Sources) -> _Found | None:
    """The first text that is not blank: by source in the declared order, then by name."""
    for source in one.setting.sources:
        for name in one.setting.names:
            key, text = name, ""
            if source is METADATA:
                text = sources.metadata.get(name, "")
            elif source is AUTHENTICATION:
                text = sources.auth.get(name, "")
            elif variable := sources.metadata.get(name + FROM_ENV, "").strip():
                key, text = variable, sources.env.get(variable, "")
            if text := text.strip():
                return _Found(text, key, source)
    return None


def _read(one: Declared, sources: Sources) -> Any:
    """The setting's value, or the problem with it."""
    found = _find(one, sources)
    if found is None:
        return _missing(one) if one.is_required else _unset(one, sources) or one.default
    if one.setting.removal:
        return Problem(one.name, one.setting.removal, "FieldValueForbidden")
    try:
        return one.read(found.text)
    except ValueError as error:
        reason = "FieldValueNotSupported" if one.shape.choices else "FieldValueInvalid"
        return Problem(one.name, f"{_subject(one, found)} {error}", reason)


def _missing(one: Declared) -> Problem:
    names = ",".join(one.setting.names)
    sources = " ".join(source.value for source in one.setting.sources)
    return Problem(one.name, f'missing required parameter "{names}" in [{sources}]', "FieldValueRequired")


def _unset(one: Declared, sources: Sources) -> Problem | None:
    """A setting that was to come from a variable which is not there: without it another thing is measured."""
    for name in one.setting.names if ENVIRONMENT in one.setting.sources else ():
        key = name + FROM_ENV
        why = sources.unset.get(sources.metadata.get(key, "").strip())
        if why is not None and not one.setting.removal:
            return Problem(key, why, "FieldValueRequired")
    return None


def _subject(one: Declared, found: _Found) -> str:
    if found.source is ENVIRONMENT:
        return f"the value of environment variable {found.key}"
    if found.source is AUTHENTICATION:
        return f"the value of authentication parameter {found.key}"
    return "its value" if one.setting.is_secret or one.setting.is_hidden else f'"{found.text}"'


def _metric_type_problems(kind: type[Scaler], trigger: Trigger) -> Iterator[Problem]:
    if trigger.metric_type == "Utilization" and not issubclass(kind, Native):
        yield Problem(
            METRIC_TYPE,
            "'Utilization' metric type is unsupported for external metrics, "
            "allowed values are 'Value' or 'AverageValue'",
            "FieldValueNotSupported",
        )
