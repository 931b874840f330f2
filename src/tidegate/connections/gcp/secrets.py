"""Secret Manager: versions of secrets, each by a call of its own, held against their checksums.

Source: Google, Secret Manager API v1, `projects.secrets.versions.access`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tidegate.base.errors import TidegateError
from tidegate.connections.gcp.calls import Call, Calls
from tidegate.connections.gcp.crc32c import crc32c
from tidegate.connections.gcp.points import at
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.gcp_secrets import VALUE, SecretVersion

Value = Fetched | TidegateError


class Secrets:
    """Reads secrets."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def values(self, questions: Sequence[SecretVersion]) -> dict[SecretVersion, Value]:
        """What each holds; raises what `Calls.send` raises."""
        home: str | TidegateError = ""
        if any(not one.project for one in questions):
            try:
                home = await self._calls.project()
            except TidegateError as error:
                home = error
        calls = {
            one: _call(one, one.project or home)
            for one in dict.fromkeys(questions)
            if one.project or isinstance(home, str)
        }
        answers = await self._calls.send(list(calls.values())) if calls else {}
        return {
            one: self._value(calls[one], answers[calls[one]]) if one in calls else _no_home(home)
            for one in questions
        }

    def _value(self, call: Call, answer: Any) -> Value:
        if isinstance(answer, TidegateError):
            # How a refusal begins is nothing that anybody should read here.
            answer.excerpt = ""
            return answer
        told = at(answer, "payload", "data")
        try:
            content = base64.b64decode(told or "", validate=True)
            is_there = isinstance(at(answer, "payload"), dict) and isinstance(told, str | None)
        except (TypeError, ValueError):
            is_there, content = False, b""
        if not is_there:
            return self._calls.strange(call.attempted, "the answer holds no payload")
        checksum = at(answer, "payload", "dataCrc32c")
        if checksum is not None and str(checksum) != str(crc32c(content)):
            return self._calls.strange(call.attempted, "the payload does not have the checksum that is told")
        try:
            return Fetched({VALUE: content.decode()})
        except UnicodeDecodeError:
            return Fetched({}, other_keys=frozenset({VALUE}))


def _call(question: SecretVersion, project: str | TidegateError) -> Call:
    name, version = quote(question.name, safe=""), quote(question.version, safe="")
    path = f"/v1/projects/{project}/secrets/{name}/versions/{version}:access"
    return Call(path, attempted=f"read version {question.version} of secret {question.name}")


def _no_home(error: str | TidegateError) -> TidegateError:
    assert isinstance(error, TidegateError)
    return error
