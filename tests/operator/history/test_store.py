"""What is remembered of changes: kept across restarts, bounded, never in the way of a decision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.core.reasons import Code, because
from tidegate.core.values import Action, CreateJobs, DeleteJobs, EmitEvent, SetReplicas
from tidegate.operator.history.store import KEPT, HistoryStore
from tidegate.operator.reconcile.history_lines import act, is_of_hpa, is_why

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(second: int) -> str:
    return f"2026-01-02T03:04:{second:02}Z"


def told(second: int, what: str, code: str = "Scaled", *reasons: str) -> dict[str, Any]:
    return {"at": at(second), "code": code, "what": what, "reasons": [{"text": one} for one in reasons]}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (SetReplicas(3, 0), ("Scaled", "0 → 3 replicas")),
        (CreateJobs(4, 2), ("JobsCreated", "2 Jobs created in round 4")),
        (
            DeleteJobs(("a", "b"), "Background", "HistoryTrimmed"),
            ("JobsDeleted", "2 Jobs deleted (HistoryTrimmed)"),
        ),
        (EmitEvent("Normal", "KEDAJobsCreated", "Created 2 jobs"), ("", "")),
    ],
)
def test_what_was_done_has_a_sentence(action: Action, said: tuple[str, str]) -> None:
    assert act(action) == said


def test_each_action_has_the_reasons_that_it_was_done_for() -> None:
    active, trimmed = because(Code.ACTIVE, told="active"), because(Code.HISTORY_TRIMMED, count=2)
    delete = DeleteJobs(("a", "b"), "Background", "HistoryTrimmed")
    assert [is_why(one, delete) for one in (active, trimmed)] == [False, True]
    assert [is_why(one, CreateJobs(4, 2)) for one in (active, trimmed)] == [True, False]


@pytest.mark.parametrize(
    ("status", "is_its_own"),
    [
        ({"desiredReplicas": 7, "lastScaleTime": "2026-01-02T03:04:00Z"}, True),
        ({"desiredReplicas": 7, "lastScaleTime": "2026-01-02T03:00:00Z"}, False),
        ({"desiredReplicas": 7}, False),
        ({"desiredReplicas": 3, "lastScaleTime": "2026-01-02T03:04:05Z"}, False),
        ({}, False),
    ],
)
def test_a_count_is_the_hpas_where_it_says_so(status: dict[str, Any], is_its_own: bool) -> None:
    assert is_of_hpa({"status": status}, 7, NOW) is is_its_own
    assert not is_of_hpa(None, 7, NOW)


def test_a_repeated_line_is_counted_and_keeps_its_first_moment(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    for second in range(12):
        history_store.add(
            "uid", told(second, f"1 Job created in round {second}", "JobsCreated", "queue of 5")
        )
        history_store.add("uid", told(second, "1 Job deleted (HistoryTrimmed)", "JobsDeleted"))
    history_store.add("uid", told(20, "1 Job created in round 13", "JobsCreated", "queue of 6"))
    for kept in (history_store.of("uid"), HistoryStore(tmp_path).of("uid")):
        assert [(one["what"], one["count"], one["since"], one["at"]) for one in kept] == [
            ("1 Job created in round 11", 12, at(0), at(11)),
            ("1 Job deleted (HistoryTrimmed)", 12, at(0), at(11)),
            ("1 Job created in round 13", 1, at(20), at(20)),
        ]


def test_steps_that_take_turns_keep_each_moment() -> None:
    history_store = HistoryStore()
    for second in range(3):
        history_store.add("uid", told(second, "0 → 1 replica"))
        history_store.add("uid", told(second, "1 → 0 replicas"))
    assert [one["count"] for one in history_store.of("uid")] == [1] * 6


def test_rounds_of_failing_jobs_are_one_line_with_the_latest_numbers(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    for number in range(2, 9):
        failing = {"code": "JobsFailing", "text": f"the last {number} Jobs failed", "numbers": {}}
        line = told(number, f"1 Job created in round {number}", "JobsCreated")
        history_store.add("uid", {**line, "reasons": [failing]})
    for kept in (history_store.of("uid"), HistoryStore(tmp_path).of("uid")):
        [only] = kept
        assert (only["what"], only["count"]) == ("1 Job created in round 8", 7)
        assert only["reasons"][0]["text"] == "the last 8 Jobs failed"


def test_rounds_of_jobs_push_out_no_edit(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    history_store.add("uid", told(1, "spec edited (generation 2)", "Edited"))
    for number in range(3 * KEPT):
        line = told(2, f"1 Job created in round {number}", "JobsCreated", f"queue of {number}")
        history_store.add("uid", line)
    for kept in (history_store.of("uid"), HistoryStore(tmp_path).of("uid")):
        assert len(kept) == KEPT
        assert kept[0]["what"] == "spec edited (generation 2)"
        assert kept[-1]["what"] == f"1 Job created in round {3 * KEPT - 1}"


def test_each_outage_keeps_its_beginning_and_its_end() -> None:
    history_store = HistoryStore()
    for second in range(0, 40, 10):
        for later, code in enumerate(("OutageBegan", "NotReady", "OutageEnded", "Ready")):
            history_store.add("uid", {**told(second + later, code, code), "trigger": 0})
    kept = history_store.of("uid")
    assert [one["count"] for one in kept] == [1] * 16
    assert [one["at"] for one in kept if one["code"] == "OutageBegan"] == [at(0), at(10), at(20), at(30)]


def test_what_is_known_better_later_takes_the_place_of_the_line(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    first = history_store.add("uid", told(1, "3 → 7 replicas, not by us", "ScaledByOthers"))
    history_store.add("uid", told(2, "7 → 0 replicas"))
    history_store.correct("uid", first, code="ScaledByHpa", what="3 → 7 replicas, by the HPA")
    for kept in (history_store.of("uid"), HistoryStore(tmp_path).of("uid")):
        assert [one["what"] for one in kept] == ["3 → 7 replicas, by the HPA", "7 → 0 replicas"]


def test_lines_of_older_versions_are_read(tmp_path: Path) -> None:
    line = {"at": at(1), "what": "0 → 1 replica", "reasons": [{"code": "Activated", "text": "raised"}]}
    (tmp_path / "uid.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    [kept] = HistoryStore(tmp_path).of("uid")
    assert kept == {**line, "since": at(1), "count": 1, "code": "Changed"}


def test_changes_outlive_the_process_and_an_unfinished_line_is_left_out(tmp_path: Path) -> None:
    first = HistoryStore(tmp_path / "history")
    first.add("uid", {"what": "a"})
    first.add("uid", {"what": "b"})
    with (tmp_path / "history" / "uid.jsonl").open("ab") as file:
        file.write(b'{"what": "c')
    assert [entry["what"] for entry in HistoryStore(tmp_path / "history").of("uid")] == ["a", "b"]


def test_the_file_stays_bounded(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    for number in range(5 * KEPT):
        history_store.add("uid", {"what": str(number)})
    kept = HistoryStore(tmp_path).of("uid")
    assert KEPT <= len(kept) <= 2 * KEPT
    assert kept[-1]["what"] == str(5 * KEPT - 1)


def test_a_forgotten_object_leaves_no_file(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path)
    history_store.add("uid", {"what": "a"})
    history_store.forget("uid")
    assert list(tmp_path.iterdir()) == []
    assert history_store.of("uid") == []


def test_a_folder_that_cannot_be_written_costs_history_and_nothing_else(tmp_path: Path) -> None:
    history_store = HistoryStore(tmp_path / "history")
    (tmp_path / "history").rmdir()
    history_store.add("uid", {"what": "a"})
    assert [entry["what"] for entry in history_store.of("uid")] == ["a"]


def test_without_a_folder_changes_are_kept_in_memory() -> None:
    history_store = HistoryStore()
    history_store.add("uid", {"what": "a"})
    assert [entry["what"] for entry in history_store.of("uid")] == ["a"]
