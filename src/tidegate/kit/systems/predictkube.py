"""PredictKube: the history of a query in PromQL, and what its service makes of it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.duration import parse_duration
from tidegate.base.errors import Malformed
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import HttpServer

_LARGE = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(.*)")
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class PredictServer:
    """A Prometheus, and the service that foresees, as `host:port`; `is_encrypted` is the service's."""

    system: ClassVar[str] = "predictkube"

    prometheus: HttpServer
    api_key: str = field(repr=False)
    service: str = "api.predictkube.com:443"
    is_encrypted: bool = True

    def label(self) -> str:
        return self.prometheus.label()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is foreseen `horizon` steps ahead, a whole number, and the last value that was observed.

    `path` is that of range queries.
    """

    calls: ClassVar[Calls] = Calls(each=2)

    server: PredictServer
    path: str
    query: str
    history_s: float
    step_s: float
    horizon: int


def read_long_duration(text: str) -> float:
    """Seconds; weeks and days (`1w2d3h`) beside Go's units, and no bare number but 0. ValueError reads on."""
    found = _LARGE.fullmatch(text)
    weeks, days, rest = found.groups() if found is not None else (None, None, text)
    if text == "0":
        return 0.0
    if not text or (rest and rest.isdigit()) or not (weeks or days or rest):
        raise ValueError("is not a duration such as 2h or 7d")
    seconds = (7 * int(weeks or 0) + int(days or 0)) * _DAY_S
    return seconds + (parse_duration(rest) if rest else 0.0)


def is_token(text: str) -> bool:
    """Whether it looks like a JWT: three parts in base64."""
    parts = text.split(".")
    return len(parts) == 3 and all(parts) and all(map(_is_base64, parts))


def _is_base64(text: str) -> bool:
    try:
        base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return False
    return re.fullmatch(r"[A-Za-z0-9_-]+", text) is not None


def foreseen(answer: Any, question: Prediction) -> tuple[float, float]:
    """What is foreseen and what was seen last. Malformed where the answer is something else."""
    is_pair = isinstance(answer, tuple) and len(answer) == 2
    if not is_pair or type(answer[0]) is not int or type(answer[1]) is not float:
        shown = f"a {type(answer).__name__} where a prediction was expected"
        raise Malformed("foresee the value", on=question.server.label(), answer=shown)
    return float(answer[0]), answer[1]
