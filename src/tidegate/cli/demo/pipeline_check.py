"""Checks the files of the CSV pipeline by itself: every aggregate against its raw file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY, LAST_DAY = date(2022, 1, 1), date(2022, 6, 30)
RECORDS_PER_DAY = 200
ITEMS = range(1, 6)


@dataclass(slots=True)
class Verdict:
    """What the comparison found: `wrong` is empty where all is right."""

    files: int = 0
    records: int = 0
    totals: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def days(last: date = LAST_DAY) -> Iterator[date]:
    """The days that have a file, 181 where nobody asked for fewer."""
    day = FIRST_DAY
    while day <= last:
        yield day
        day += timedelta(days=1)


def check(folder: Path, last: date = LAST_DAY) -> Verdict:
    """Compares `folder/processed` with `folder/raw`: files, rows, sums; nothing more and nothing less."""
    verdict = Verdict()
    expected = set()
    for day in days(last):
        raw = folder / "raw" / f"{day:%Y%m%d}.csv"
        done = folder / "processed" / f"{day:%Y%m%d}_aggregated_sales.csv"
        expected.add(done.name)
        try:
            sums, records = sums_of_raw(raw, day)
            written = sums_of_processed(done)
        except (OSError, ValueError, KeyError) as error:
            verdict.wrong.append(f"{day:%Y%m%d}: {error}")
            continue
        if records != RECORDS_PER_DAY:
            verdict.wrong.append(f"{raw.name}: {records} records instead of {RECORDS_PER_DAY}")
        if written != sums:
            verdict.wrong.append(f"{done.name}: {dict(written)} instead of {dict(sums)}")
        verdict.files += 1
        verdict.records += records
        verdict.totals.update(written)
    processed = folder / "processed"
    found = {file.name for file in processed.iterdir()} if processed.is_dir() else set()
    verdict.wrong += [f"{name}: nobody ordered this file" for name in sorted(found - expected)]
    return verdict


def sums_of_raw(path: Path, day: date) -> tuple[Counter[int], int]:
    """Quantity per item and the number of records; ValueError for a row outside the day or the ranges."""
    sums: Counter[int] = Counter()
    records = 0
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            item, quantity = int(row["item_id"]), int(row["quantity"])
            if not row["timestamp"].startswith(f"{day:%Y-%m-%d}T") or item not in ITEMS:
                raise ValueError(f"{path.name}: {row} does not belong here")
            sums[item] += quantity
            records += 1
    return sums, records


def sums_of_processed(path: Path) -> Counter[int]:
    """Quantity per item as the worker wrote it."""
    with path.open(newline="") as file:
        return Counter({int(row["item_id"]): int(row["total_quantity"]) for row in csv.DictReader(file)})
