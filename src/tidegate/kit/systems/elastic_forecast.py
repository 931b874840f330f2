"""Forecasts of Elasticsearch's machine learning: what a job foresees for a moment that is to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.elasticsearch import SearchServer


@dataclass(frozen=True, slots=True)
class ForecastServer:
    """A cluster that makes forecasts. What it was asked to make is kept with its connection."""

    system: ClassVar[str] = "elastic_forecast"

    cluster: SearchServer

    def label(self) -> str:
        return self.cluster.label()


@dataclass(frozen=True, slots=True)
class Forecast:
    """The newest prediction for at most `ahead_s` seconds from now, as it stands in the document.

    `partition` and `by` choose one of several series, where they are not "". Unreachable while a forecast is
    being made.
    """

    calls: ClassVar[Calls] = Calls(together=100, more="a forecast for each job, made anew every `lookAhead`")

    server: ForecastServer
    job: str
    ahead_s: float
    index: str
    partition: str = ""
    by: str = ""
