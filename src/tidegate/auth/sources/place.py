"""Where a source of a TriggerAuthentication stands, and what it may look up before it can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.api.vaults import SecretValue
from tidegate.auth.lending import Lending
from tidegate.auth.lookup import named
from tidegate.auth.scope import Scope
from tidegate.base.errors import Failure, Misconfigured, TidegateError
from tidegate.kit.fetched import Fetched, SourceQuestion, where
from tidegate.kube.resource import SECRETS

_KEYS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """In the place of a value: it was asked for, and nobody has answered yet."""

    text: str


Found = tuple[str, str | TidegateError | Waiting]
"""A parameter and its value, or what came instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter is the value of `key` in the answer to `question`."""

    parameter: str
    question: SourceQuestion
    key: str


@dataclass(frozen=True, slots=True)
class Place:
    """`about` names the authentication, `namespace` is that of what it refers to (Secrets: `secrets`).

    `lending` says whether the autoscaler's own identity may ask.
    """

    scope: Scope
    about: str
    namespace: str
    secrets: str
    lending: Lending

    def attempted(self, parameter: str) -> str:
        return f'resolve parameter "{parameter}" of {self.about}'

    def secret(self, value: SecretValue, what: str) -> str:
        """The text of a credential that stands in a Secret; one of the five, which says what is missing."""
        ref, attempted = value.value_from.secret_key_ref, f"read {what} of {self.about}"
        called = named(SECRETS, self.secrets, ref.name)
        values = self.scope.reader.values(SECRETS, self.secrets, ref.name)
        step = "create it or correct the reference"
        if values is None:
            raise Misconfigured(attempted, answer=f"there is no {called}", next_step=step)
        if ref.key not in values:
            raise Misconfigured(attempted, answer=f"{called} has no key {quoted(ref.key, values)}")
        text = values[ref.key]
        if isinstance(text, TidegateError):
            raise text
        return text

    def value(self, wanted: Wanted) -> str | TidegateError | Waiting:
        """What the parameter is now."""
        question = wanted.question
        held = self.scope.held(question)
        if held is None:
            return Waiting(f"waiting for {where(question)}")
        if isinstance(held, Failure):
            return held.error()
        if held.complaint:
            self.scope.warnings.append(
                f"{where(question)} could not be fetched again; what was fetched before still serves: "
                f"{held.complaint}"
            )
        if wanted.key in held.values:
            return held.values[wanted.key]
        return self._missing(wanted, held)

    def _missing(self, wanted: Wanted, held: Fetched) -> TidegateError:
        attempted, source = self.attempted(wanted.parameter), where(wanted.question)
        if wanted.key in held.other_keys:
            answer = f'the value of key "{wanted.key}" in {source} is no text'
            return Misconfigured(attempted, answer=answer, next_step="store it as text")
        answer = f"{source} has no key {quoted(wanted.key, held.values)}"
        return Misconfigured(attempted, answer=answer, next_step="add the key or correct the reference")


def quoted(key: str, present: Iterable[str]) -> str:
    """A key that is missing, beside those that are there."""
    keys = ", ".join(sorted(present)[:_KEYS_SHOWN]) or "none"
    return f'"{key}" (it has: {keys})'
