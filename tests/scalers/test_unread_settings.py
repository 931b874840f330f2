"""Problems between settings are told beside those of settings that cannot be read, unless they need them."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.settings import ENVIRONMENT, METADATA, Declared, settings_of
from tidegate.testing.sources import parsed

WRONG = "\x00 no value of any type"


class Sheet(Protocol):
    trigger_type: str
    kind: type[Any]
    metadata: dict[str, str]
    auth: dict[str, str]
    metric_type: str | None


def told(sheet: Sheet, texts: Mapping[Declared, str | None], unset: Declared | None = None) -> set[Problem]:
    """The problems of the example with these texts in place of its own; None leaves a setting out.

    `unset` is to come from a variable that is not there.
    """
    metadata, auth = dict(sheet.metadata), dict(sheet.auth)
    for one, text in texts.items():
        for name in one.setting.names:
            metadata.pop(name, None)
            auth.pop(name, None)
        if text is not None:
            (metadata if METADATA in one.setting.sources else auth)[one.name] = text
    if unset is not None:
        metadata[f"{unset.name}FromEnv"] = "NOPE"
    sources = Sources(metadata, {}, auth, {"NOPE": "is not set"})
    trigger = Trigger(type=sheet.trigger_type, metadata=metadata, metric_type=sheet.metric_type)
    built = reading.build(sheet.kind, trigger, sources, Scope("shop"))
    return set(built) if isinstance(built, tuple) else set()


def without(problems: set[Problem], one: Declared) -> set[Problem]:
    own = {*one.setting.names, f"{one.name}FromEnv"}
    return {problem for problem in problems if problem.path not in own}


@functools.cache
def words(kind: type[Any]) -> tuple[str, ...]:
    """All texts that stand in the modules of a scaler and its bases: those that its checks look for, too."""
    found: dict[str, None] = {}
    for base in kind.__mro__:
        module = sys.modules[base.__module__]
        if base.__module__.startswith("tidegate"):
            for node in ast.walk(parsed(inspect.getsource(module))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60:
                    found[node.value.strip()] = None
    return tuple(word for word in found if word)


def readable(one: Declared, sheet: Sheet) -> list[str | None]:
    """Texts with which the setting can be read, or None, where it need not be there."""
    kind, own = sheet.kind, {**sheet.metadata, **sheet.auth}
    texts: list[str | None] = [] if one.is_required else [None]
    tried = ("0", "1", "-1", "true", "false", "x:1", "http://x", "a=b", *one.shape.choices, *words(kind))
    for text in (*(own[name] for name in one.setting.names if name in own), *tried):
        with suppress(ValueError):
            one.read(text)
            texts.append(text)
    return [None] if one.setting.removal else texts


def unread_in_some_way(sheet: Sheet) -> Iterator[tuple[Declared, str | None, Declared | None]]:
    """Each setting that can be unread, the text that makes it so, and itself where a variable does."""
    for one in settings_of(sheet.kind):
        if one.shape.word not in ("string", "list of strings"):
            yield one, WRONG, None
        elif one.is_required:
            yield one, None, None
        elif ENVIRONMENT in one.setting.sources:
            yield one, None, one


def mistakes(sheet: Sheet) -> Iterator[tuple[Declared, str | None]]:
    """Texts of one setting, which can be read, with which the example is wrong."""
    for one in settings_of(sheet.kind):
        for text in (None, "x", "-1", "http://x", *one.shape.choices):
            with suppress(ValueError):
                if text is not None:
                    one.read(text)
                if told(sheet, {one: text}):
                    yield one, text


def test_what_is_told_beside_an_unread_setting_is_what_is_there_whatever_it_says(every: Sheet) -> None:
    for (unread, text, unset), (other, wrong) in itertools.product(
        unread_in_some_way(every), mistakes(every)
    ):
        if other is unread:
            continue
        at_once = without(told(every, {other: wrong, unread: text}, unset), unread)
        always: set[Problem] | None = None
        for value in readable(unread, every):
            later = without(told(every, {other: wrong, unread: value}), unread)
            always = later if always is None else always & later
            if not always:
                break
        assert at_once == always, (unread.name, other.name, wrong)


@pytest.mark.parametrize(
    ("trigger_type", "texts", "paths"),
    [
        (
            "temporal",
            {"minConnectTimeout": "soon", "queueTypes": "nope"},
            {"minConnectTimeout", "queueTypes"},
        ),
        ("prometheus", {"authModes": "nope", "serverAddress": "ftp://x"}, {"authModes", "serverAddress"}),
        ("rabbitmq", {"value": "many", "pageSize": "0"}, {"value", "pageSize"}),
        (
            "kafka",
            {"activationLagThreshold": "x", "version": "new", "limitToPartitionsWithLag": "x"},
            {"activationLagThreshold", "version", "limitToPartitionsWithLag"},
        ),
        (
            "prometheus",
            {
                "serverAddress": "ftp://x",
                "authModes": "custom",
                "customAuthHeader": "a b",
                "customAuthValue": "c",
            },
            {"serverAddress", "customAuthHeader"},
        ),
        (
            "azure-eventhub",
            {"connection": "no string", "checkpointStrategy": "goSdk", "unprocessedEventThreshold": "x"},
            {"connection", "blobContainer", "unprocessedEventThreshold"},
        ),
        ("aws-sqs-queue", {"awsRegion": "", "queueURL": "https://a/b"}, {"awsRegion", "queueURL"}),
    ],
)
def test_a_mistake_hides_no_other(trigger_type: str, texts: dict[str, str], paths: set[str]) -> None:
    kind = scalers.find(trigger_type)
    assert kind is not None
    problems = reading.build(
        kind, Trigger(type=trigger_type, metadata=texts), Sources(texts, auth=texts), Scope("shop")
    )
    assert isinstance(problems, tuple)
    assert paths <= {problem.path for problem in problems}
