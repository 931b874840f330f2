"""A log is kept within its bounds while its process goes on writing, and readers see whole lines only."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import pytest

from parts.machine import Machine, until
from tidegate.local.nodes.container_logs import NOTE, LogClock, Times, _Noted, begin
from tidegate.local.nodes.processes.log_window import PART_BYTES, PARTS, first_kept, shrink
from tidegate.local.streams import LogOptions
from tidegate.runtime.clock import SystemClock

PART = 65_536


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


def written(folder: Path, content: bytes) -> Path:
    (folder / "log").write_bytes(content)
    return folder


def on_disk(folder: Path) -> int:
    return os.stat(folder / "log").st_blocks * 512


def test_what_fits_is_left_as_it_is(tmp_path: Path) -> None:
    content = b"x" * (PART * PARTS - 1) + b"\n"
    assert shrink(written(tmp_path, content), PART) == 0
    assert not (tmp_path / "first").exists()


def test_the_oldest_lines_go_and_the_others_stay_where_they_are(tmp_path: Path) -> None:
    content = lines(0, 60_000)
    first = shrink(written(tmp_path, content), PART)
    left = (tmp_path / "log").read_bytes()
    assert first == first_kept(tmp_path)
    assert content[first - 1 : first] == b"\n"
    assert PART * (PARTS - 1) <= len(content) - first <= PART * PARTS
    assert left[first:] == content[first:]
    assert on_disk(tmp_path) <= PART * PARTS + 4096
    assert shrink(tmp_path, PART) == first


def test_a_process_that_writes_on_loses_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path, lines(0, 60_000))
    with (folder / "log").open("ab", buffering=0) as writer:
        first = shrink(folder, PART)
        writer.write(lines(60_000, 120_000))
        second = shrink(folder, PART)
    assert second > first
    assert (folder / "log").read_bytes()[second:] == lines(0, 120_000)[second:]


def test_a_line_longer_than_a_part_is_cut(tmp_path: Path) -> None:
    assert shrink(written(tmp_path, b"x" * PART * 6), PART) == PART


def test_a_hole_that_was_announced_and_not_made_is_made_the_next_time(tmp_path: Path) -> None:
    folder = written(tmp_path, lines(0, 60_000))
    (folder / "first").write_text("7\n")
    shrink(folder, PART)
    assert on_disk(folder) <= PART * PARTS + 4096


@pytest.mark.parametrize("options", [LogOptions(), LogOptions(tail_lines=10**9), LogOptions(since_s=10**6)])
def test_a_reader_begins_where_the_log_begins(tmp_path: Path, options: LogOptions) -> None:
    folder = written(tmp_path, lines(0, 60_000))
    first = shrink(folder, PART)
    with (folder / "log").open("rb") as file:
        assert begin(file, folder, options, now=0.0) == first


def test_a_tail_within_the_window_is_as_ever(tmp_path: Path) -> None:
    folder = written(tmp_path, lines(0, 60_000))
    shrink(folder, PART)
    with (folder / "log").open("rb") as file:
        file.seek(begin(file, folder, LogOptions(tail_lines=2), now=0.0))
        assert file.read() == lines(59_998, 60_000)


def test_notes_of_what_is_gone_go_with_it(tmp_path: Path) -> None:
    content = lines(0, 60_000)
    folder = written(tmp_path, content)
    notes = [(offset, float(offset)) for offset in range(1000, len(content) + 1, 1000)]
    (folder / "times").write_bytes(b"".join(NOTE.pack(*note) for note in notes))
    noted = _Noted(size=len(content))
    LogClock(SystemClock(), PART).bound(folder, noted)
    assert noted.first == first_kept(folder) > 0
    times = Times.read(folder)
    assert noted.count == len(times.sizes)
    assert times.moment(noted.first, 0.0) == next(at for size, at in notes if size > noted.first)


def test_a_log_that_cannot_be_kept_short_stays_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tmp_path, lines(0, 60_000))
    (folder / "first.new").mkdir()
    noted = _Noted(size=600_000)
    clock = LogClock(SystemClock(), PART)
    for _ in range(3):
        clock.bound(folder, noted)
    assert first_kept(folder) == 0
    assert (folder / "log").read_bytes() == lines(0, 60_000)
    assert [one.message for one in caplog.records] == ["a log cannot be kept short"]


LAST = 7_500_000
"""Lines of numbers up to this one are more than all parts together."""


def numbers(text: bytes) -> list[int]:
    assert b"\0" not in text
    return [int(line) for line in text.split()]


@pytest.mark.real
async def test_a_chatty_container_leaves_its_newest_lines(machine: Machine) -> None:
    uid = await machine.apply("a", "sh", "-c", f"seq 1 {LAST}; sleep 60")
    folder = machine.folder / "pods" / uid / "c" / "0"
    await until(lambda: first_kept(folder) and (folder / "log").read_bytes().endswith(f"\n{LAST}\n".encode()))
    await until(lambda: os.stat(folder / "log").st_size - first_kept(folder) <= PART_BYTES * PARTS)
    shown = numbers((await machine.log("a")).encode())
    assert shown == list(range(shown[0], LAST + 1))
    assert on_disk(folder) <= PART_BYTES * PARTS + 4096
    assert await machine.log("a", LogOptions(tail_lines=1)) == f"{LAST}\n"
    stamped = await machine.log("a", LogOptions(timestamps=True, limit_bytes=100_000))
    assert stamped.split("\n")[0].split()[1] == str(shown[0])


@pytest.mark.real
async def test_a_follower_that_was_overtaken_goes_on_with_whole_lines(
    machine: Machine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    speaks = f"seq 1 100; until [ -e {gate} ]; do sleep 0.02; done; seq 101 {LAST}; sleep 60"
    uid = await machine.apply("a", "sh", "-c", speaks)
    folder = machine.folder / "pods" / uid / "c" / "0"
    await until(lambda: (folder / "log").exists() and (folder / "log").read_bytes().endswith(b"\n100\n"))
    chunks = aiter(machine.node.streams.logs("default", "a", "", LogOptions(follow=True)))
    heard = bytearray(await anext(chunks))
    gate.touch()
    await until(lambda: first_kept(folder))
    while not heard.endswith(f"\n{LAST}\n".encode()):
        heard += await anext(chunks)
        await asyncio.sleep(0)
    await chunks.aclose()  # type: ignore[attr-defined]
    shown = numbers(bytes(heard))
    gaps = [(one, other) for one, other in itertools.pairwise(shown) if other != one + 1]
    assert shown[0] == 1
    assert shown == sorted(shown)
    assert gaps[0][0] == 100
    assert shown[-1] == LAST
