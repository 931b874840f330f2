"""What is remembered of changes: kept across restarts, bounded, never in the way of a decision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidegate.core.reasons import Code, because
from tidegate.core.values import Action, CreateJobs, Decision, DeleteJobs, Memory, SetReplicas
from tidegate.operator.chronicle import KEPT, Chronicle, change

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def decision(*actions: Action) -> Decision:
    return Decision(Memory(), actions, (because(Code.INACTIVE),))


@pytest.mark.parametrize(
    ("actions", "previous", "current", "what"),
    [
        ((SetReplicas(3, 0),), 0, 0, "0 → 3 replicas"),
        ((CreateJobs(4, 2),), None, None, "2 Jobs created in round 4"),
        (
            (DeleteJobs(("a", "b"), "Background", "HistoryTrimmed"),),
            None,
            None,
            "2 Jobs deleted (HistoryTrimmed)",
        ),
        ((), 3, 7, "3 → 7 replicas, by the HPA or by hand"),
    ],
)
def test_a_change_is_told_with_its_reasons(
    actions: tuple[Action, ...], previous: int | None, current: int | None, what: str
) -> None:
    entry = change(decision(*actions), previous, current, NOW)
    assert entry is not None
    assert (entry["at"], entry["what"]) == ("2026-01-02T03:04:05Z", what)
    assert entry["reasons"][0]["code"] == "Inactive"


@pytest.mark.parametrize(("previous", "current"), [(None, 3), (3, None), (3, 3), (None, None)])
def test_a_decision_that_changes_nothing_is_no_entry(previous: int | None, current: int | None) -> None:
    assert change(decision(), previous, current, NOW) is None


def test_changes_outlive_the_process_and_an_unfinished_line_is_left_out(tmp_path: Path) -> None:
    first = Chronicle(tmp_path / "history")
    first.add("uid", {"what": "a"})
    first.add("uid", {"what": "b"})
    with (tmp_path / "history" / "uid.jsonl").open("ab") as file:
        file.write(b'{"what": "c')
    assert [entry["what"] for entry in Chronicle(tmp_path / "history").of("uid")] == ["a", "b"]


def test_the_file_stays_bounded(tmp_path: Path) -> None:
    chronicle = Chronicle(tmp_path)
    for number in range(5 * KEPT):
        chronicle.add("uid", {"what": str(number)})
    kept = Chronicle(tmp_path).of("uid")
    assert KEPT <= len(kept) <= 2 * KEPT
    assert kept[-1]["what"] == str(5 * KEPT - 1)


def test_a_forgotten_object_leaves_no_file(tmp_path: Path) -> None:
    chronicle = Chronicle(tmp_path)
    chronicle.add("uid", {"what": "a"})
    chronicle.forget("uid")
    assert list(tmp_path.iterdir()) == []
    assert chronicle.of("uid") == []


def test_a_folder_that_cannot_be_written_costs_history_and_nothing_else(tmp_path: Path) -> None:
    chronicle = Chronicle(tmp_path / "history")
    (tmp_path / "history").rmdir()
    chronicle.add("uid", {"what": "a"})
    assert [entry["what"] for entry in chronicle.of("uid")] == ["a"]


def test_without_a_folder_changes_are_kept_in_memory() -> None:
    chronicle = Chronicle()
    chronicle.add("uid", {"what": "a"})
    assert [entry["what"] for entry in chronicle.of("uid")] == ["a"]
