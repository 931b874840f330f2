"""Claimed work as a user runs it: the example as it stands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from parts.up import ROOT, Up, needs_redis
from tidegate.cli.demo import pipeline_check

pytestmark = [pytest.mark.e2e, pytest.mark.real]
EXAMPLES = ROOT / "examples"


def runs(folder: Path) -> list[list[str]]:
    """The log that is only appended to: moment, what, message, identity, attempt."""
    log = folder / "runs.log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def overlapping(lines: list[list[str]]) -> list[str]:
    """Messages that two Jobs worked on at a time."""
    open_, wrong = set[str](), []
    for _, what, name, *_ in lines:
        if what == "begins" and name in open_:
            wrong.append(name)
        open_.add(name) if what == "begins" else open_.discard(name)
    return wrong


@pytest.mark.xdist_group("claims")
def test_every_file_of_the_claimed_pipeline_is_summed_once_and_a_bad_name_is_put_aside(up: Up) -> None:
    needs_redis()
    up.kubectl("apply", "-f", str(EXAMPLES / "csv-claimed"))
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/csv-summer", "--timeout=60s")
    assert "wrote and queued 181 files" in up.kubectl("logs", "-f", "job/claimed-generator")
    claim = up.get("pvc", "claimed-data")["metadata"]["uid"]
    folder = up.folder / "node" / "volumes" / claim

    def summed() -> int:
        done = folder / "processed"
        return len(list(done.glob("*.csv"))) if done.exists() else 0

    up.until("all files are summed", lambda: summed() == 181, 240)
    assert pipeline_check.check(folder).wrong == []
    lines = runs(folder)
    assert overlapping(lines) == []
    assert set(Counter(name for _, what, name, *_ in lines if what == "begins").values()) == {1}
    table = up.kubectl("get", "jobs", "-L", "tidegate.dev/message,tidegate.dev/attempt")
    assert "MESSAGE" in table.upper()
    up.kubectl("delete", "scaledjob", "csv-summer", "--timeout=60s")
    up.until(
        "no Job is left", lambda: up.get("jobs", "-l", "scaledjob.keda.sh/name=csv-summer")["items"] == []
    )
