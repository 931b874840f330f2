"""The five errors, told apart by what to do next, and `Failure`, the value an error becomes.

An error says what was attempted, on what (never a secret), what came back, and what to do.
Below the waterline nothing raises across a step: a reading is a number or a `Failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class TidegateError(Exception):
    """Base of the five; raise one of the five, never this.

    `attempted` is a phrase ("read the length of list jobs"), `on` the server without credentials,
    `answer` what came back, `next_step` what the reader can do about it.
    """

    kind: ClassVar[str] = "Error"

    excerpt: str = ""
    """How a refused answer begins, cleaned: for who asks by hand, never for conditions or events."""

    def __init__(self, attempted: str, *, on: str = "", answer: str = "", next_step: str = "") -> None:
        self.attempted = attempted
        self.on = on
        self.answer = answer
        self.next_step = next_step
        super().__init__(sentence(attempted, on, answer, next_step))


class Misconfigured(TidegateError):
    """The trigger cannot be right: show it and wait for an edit."""

    kind = "Misconfigured"


class Denied(TidegateError):
    """The server does not know us, or not enough: show it, back off long."""

    kind = "Denied"


class Unreachable(TidegateError):
    """Refused, lost or too slow: back off; counts towards fallback.

    `retry_after_s`: how long the server wants to be left alone, where it says so.
    """

    kind = "Unreachable"

    def __init__(
        self,
        attempted: str,
        *,
        on: str = "",
        answer: str = "",
        next_step: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(attempted, on=on, answer=answer, next_step=next_step)
        self.retry_after_s = retry_after_s


class Malformed(TidegateError):
    """An answer we cannot read: show its shape; counts towards fallback."""

    kind = "Malformed"


class Unsupported(TidegateError):
    """A combination we do not offer: refuse it at admission."""

    kind = "Unsupported"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value: what a reading is when it is not a number.

    `kind` is the name of one of the five errors. Equal failures are the same news: a repetition
    is neither logged nor reported again.
    """

    kind: str
    message: str

    @classmethod
    def of(cls, error: TidegateError) -> Failure:
        return cls(error.kind, str(error))

    def error(self) -> TidegateError:
        """The error again, with the same words."""
        kinds = (Misconfigured, Denied, Unreachable, Malformed, Unsupported)
        found = next(kind for kind in kinds if kind.kind == self.kind)(self.message)
        found.args = (self.message,)
        return found


def sentence(attempted: str, on: str = "", answer: str = "", next_step: str = "") -> str:
    """One readable line: "cannot <attempted> on <on>: <answer>; <next step>"."""
    text = f"cannot {attempted}"
    if on:
        text += f" on {on}"
    if answer:
        text += f": {answer}"
    if next_step:
        text += f"; {next_step}"
    return text
