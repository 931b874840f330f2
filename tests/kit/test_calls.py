"""The rule of calls: parts of what is alike, equal questions once, and prices by call or by what is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from parts.fakeservers import Shop, Stock
from tidegate.kit.systems.azure_api import AzureApi
from tidegate.kit.systems.azure_monitor import OF_REGION, OF_RESOURCE, MetricPoint, MonitorServer
from tidegate.kit.systems.calls import EACH, NO_CALL, ROUND, Calls, Price, Tally, calls_of, rule_of


@dataclass(frozen=True)
class Shelf(Stock):
    calls: ClassVar[Calls] = Calls(together=3, alike=("aisle",), each=2)
    aisle: int = 0


@pytest.mark.parametrize(
    ("rule", "questions", "calls"),
    [(EACH, 7, 7), (ROUND, 7, 1), (NO_CALL, 7, 0), (Calls(together=3, each=2), 7, 6), (Calls(3), 0, 0)],
)
def test_a_round_of_questions_that_are_alike(rule, questions, calls):
    assert rule.of(questions) == calls
    assert rule.per_day(questions, 43_200) == 2 * calls


def test_a_price_is_by_call_or_by_what_a_call_reads():
    by_call = Calls(together=10, price=Price(0.5, 1_000, "call", "https://shop.example", "2026-01-01"))
    by_metric = Calls(together=10, price=Price(0.5, 1_000, "metric", "https://shop.example", "2026-01-01"))
    assert by_call.dollars_per_day(100, 86.4) == pytest.approx(5)
    assert by_metric.dollars_per_day(100, 86.4) == pytest.approx(50)
    assert EACH.dollars_per_day(100, 30) is None


def test_different_questions_are_counted_by_what_they_have_in_common():
    shop = Shop()
    assert calls_of([]) == 0
    assert calls_of([Shelf(shop, "a"), Shelf(shop, "a")]) == 2
    assert calls_of([Shelf(shop, str(n)) for n in range(4)]) == 4
    assert calls_of([Shelf(shop, str(n), aisle=n) for n in range(4)]) == 8
    assert calls_of([Stock(shop, str(n)) for n in range(4)]) == 4


def test_a_tally_takes_what_fits_and_knows_whether_more_would_be_free():
    shop, tally = Shop(), Tally()
    assert tally.has_room is False
    assert tally.fits([Shelf(shop, "a")], 2)
    assert (tally.calls, tally.has_room) == (2, True)
    assert tally.fits([Shelf(shop, "b"), Shelf(shop, "c")], 2)
    assert (tally.calls, tally.has_room) == (2, False)
    assert not tally.fits([Shelf(shop, "d")], 3)
    assert tally.fits([Shelf(shop, "a")], 0)
    assert tally.calls == 2


def test_a_resource_and_a_region_of_azure_have_rules_of_their_own():
    def point(region):
        path = "/subscriptions/One/resourceGroups/g/providers/Microsoft.Web/sites/s"
        server = MonitorServer("https://management.azure.com", region=region)
        return MetricPoint(server, path, "Microsoft.Web/sites", "Requests", "Total")

    assert issubclass(MonitorServer, AzureApi)
    assert (rule_of(point("")), rule_of(point("westeurope"))) == (OF_RESOURCE, OF_REGION)
    assert (calls_of([point("")]), calls_of([point("westeurope")])) == (1, 1)
    assert point("").subscription == "one"
