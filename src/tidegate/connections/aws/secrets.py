"""Secrets Manager: one call for each version of a secret."""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.aws.calls import Call
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.aws import WHOLE, SecretVersion


def call(question: SecretVersion) -> Call:
    parameters = {"SecretId": question.name}
    if question.version_id:
        parameters["VersionId"] = question.version_id
    if question.version_stage:
        parameters["VersionStage"] = question.version_stage
    return Call.of("GetSecretValue", parameters, _attempted(question))


def read(question: SecretVersion, answer: Any) -> Fetched | TidegateError:
    """The text, or the members of the object that it is. Nothing of it gets into an error."""
    text = answer.get("SecretString")
    attempted, on = _attempted(question), question.server.label()
    if not isinstance(text, str):
        step = "store it as SecretString"
        return Misconfigured(attempted, on=on, answer="the secret is binary, and no text", next_step=step)
    if not question.is_object:
        return Fetched({WHOLE: text})
    try:
        members = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = None
    if not isinstance(members, dict):
        step = "leave out secretKey, or store a JSON object"
        return Malformed(attempted, on=on, answer="the secret is no JSON object", next_step=step)
    texts = {key: value for key, value in members.items() if isinstance(value, str)}
    return Fetched(texts, other_keys=frozenset(members.keys() - texts.keys()))


def _attempted(question: SecretVersion) -> str:
    return f"read secret {question.name}"
