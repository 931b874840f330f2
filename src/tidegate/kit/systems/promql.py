"""Answers to instant queries as Prometheus and Loki give them: one number out of `data.result`."""

from __future__ import annotations

import math
from typing import Any

from tidegate.base.errors import Malformed, TidegateError
from tidegate.base.literals import parse_float
from tidegate.kit.scaler import Empty
from tidegate.kit.systems.http import HttpQuestion

NOTHING = "the result is empty: its target may be lost"


def one_value(
    result: Any, question: HttpQuestion, *, nothing: float | None = None, no_number: float | None = None
) -> float:
    """The value of the one series, or the scalar, that a query gave.

    An empty result counts as `nothing`, NaN and infinities as `no_number`, where these are given; otherwise
    they are Malformed, as is every other answer.
    """
    if not isinstance(result, list):
        step = "check `serverAddress`: what answers there knows no such queries"
        raise _malformed(question, "the answer holds no result of a query", step)
    if not result:
        if nothing is None:
            error = _malformed(question, NOTHING, "set ignoreNullValues to take it for 0")
            raise Empty(error.attempted, on=error.on, answer=error.answer, next_step=error.next_step)
        return nothing
    if not isinstance(result[0], dict):
        return _sample(result, question, no_number)
    if len(result) > 1:
        step = "let the query give one, with sum(…) for example"
        raise _malformed(question, f"the query returned multiple elements ({len(result)})", step)
    if "value" not in result[0]:
        step = "ask for an instant vector: a range needs a function such as rate(…) around it"
        raise _malformed(question, "the query returned a range or lines and no single value", step)
    return _sample(result[0]["value"], question, no_number)


def _sample(sample: Any, question: HttpQuestion, no_number: float | None) -> float:
    """Out of `[moment, "value"]`."""
    is_pair = isinstance(sample, list) and len(sample) == 2 and _is_moment(sample[0])
    if not is_pair or not isinstance(sample[1], str):
        raise _malformed(question, "the answer holds no sample of a moment and a value")
    text = sample[1].lstrip("+")
    try:
        value = math.nan if text.lower() in ("nan", "inf", "-inf") else parse_float(text)
    except ValueError as error:
        raise _malformed(question, f"the value of the sample {error}") from None
    if math.isfinite(value):
        return value
    if no_number is None:
        step = "let the query avoid it, with (… > 0 or vector(0)) for example"
        raise _malformed(question, "the query gave NaN or an infinity", step)
    return no_number


def _is_moment(value: Any) -> bool:
    return type(value) in (int, float)


def _malformed(question: HttpQuestion, answer: str, next_step: str = "") -> TidegateError:
    return Malformed(question.request.title(), on=question.server.label(), answer=answer, next_step=next_step)
