"""Logs and commands of pods with real processes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from parts.machine import Machine, own_objects, until
from tidegate.kube.resource import ApiError
from tidegate.local.nodes.container_logs import NOTE, Stamper, Times, begin, first_lines
from tidegate.local.nodes.processes.exec import LINGER_S
from tidegate.local.streams import Command, LogOptions

LINES = b"one\ntwo\nthree\nlast"


def written(folder: Path, notes: list[tuple[int, float]], content: bytes = LINES) -> Path:
    (folder / "log").write_bytes(content)
    (folder / "times").write_bytes(b"".join(NOTE.pack(*note) for note in notes))
    return folder


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (LogOptions(), LINES),
        (LogOptions(tail_lines=0), b""),
        (LogOptions(tail_lines=1), b"last"),
        (LogOptions(tail_lines=2), b"three\nlast"),
        (LogOptions(tail_lines=9), LINES),
        (LogOptions(since_s=50), b"two\nthree\nlast"),
        (LogOptions(since_s=15), b"three\nlast"),
        (LogOptions(since_s=5), b"last"),
        (LogOptions(since_s=500), LINES),
        (LogOptions(since_s=50, tail_lines=1), b"last"),
        (LogOptions(since_time=datetime.fromtimestamp(985, UTC)), b"three\nlast"),
    ],
)
def test_a_part_of_a_log_begins_at_a_line(tmp_path: Path, options: LogOptions, shown: bytes) -> None:
    path = written(tmp_path, [(4, 940), (8, 970), (14, 990)])
    with (path / "log").open("rb") as file:
        assert LINES[begin(file, path, options, now=1000.0) :] == shown


@pytest.mark.parametrize("lines", [1, 2, 1000, 30_000])
def test_the_tail_of_a_long_log_is_counted_from_its_end(tmp_path: Path, lines: int) -> None:
    content = b"".join(b"line %d\n" % n for n in range(20_000))
    path = written(tmp_path, [], content)
    with (path / "log").open("rb") as file:
        start = begin(file, path, LogOptions(tail_lines=lines), now=0.0)
    assert content[start:].count(b"\n") == min(lines, 20_000)


@pytest.mark.parametrize(
    ("chunk", "lines", "shown"),
    [
        (b"one\ntwo\n", 0, b""),
        (b"one\ntwo\n", 1, b"one\n"),
        (b"one\ntwo\nth", 2, b"one\ntwo\n"),
        (b"one\ntwo\nth", 3, b"one\ntwo\nth"),
        (b"on", 1, b"on"),
        (b"\n\n\n", 2, b"\n\n"),
    ],
)
def test_lines_that_are_written_while_a_tail_is_read_are_none_of_it(
    chunk: bytes, lines: int, shown: bytes
) -> None:
    assert first_lines(chunk, lines) == shown


def test_a_line_is_as_old_as_the_first_note_that_covers_it(tmp_path: Path) -> None:
    times = Times.read(written(tmp_path, [(4, 10), (8, 20)]))
    assert [times.moment(offset, 99) for offset in (0, 3, 4, 7, 8)] == [10, 10, 20, 20, 99]


def test_a_torn_last_note_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, [(4, 10)])
    with (path / "times").open("ab") as file:
        file.write(b"torn")
    assert Times.read(path).sizes == [4]


def test_times_stand_before_whole_lines_however_they_come() -> None:
    stamper = Stamper(0, lambda offset: float(offset))
    parts = [*stamper.feed(b"on"), *stamper.feed(b"e\ntwo\nth"), stamper.finish()]
    stamps = ["1970-01-01T00:00:00.000000000Z one\n", "1970-01-01T00:00:04.000000000Z two\n",
              "1970-01-01T00:00:08.000000000Z th"]  # fmt: skip
    assert [part.decode() for part in parts] == stamps


async def test_following_ends_with_the_container_and_has_all_of_it(machine: Machine) -> None:
    speaks = "for n in 1 2 3; do echo $n; sleep 0.1; done; printf end"
    await machine.apply("a", "sh", "-c", speaks)
    await machine.phase("a", "Running", "Succeeded")
    assert await machine.log("a", LogOptions(follow=True)) == "1\n2\n3\nend"


async def test_a_follower_that_leaves_stops_following(machine: Machine) -> None:
    await machine.apply("a", "sh", "-c", "echo here; sleep 60")
    await machine.phase("a", "Running")
    await until(lambda: any(machine.folder.glob("pods/*/c/0/times")))
    chunks = machine.node.streams.logs("default", "a", "", LogOptions(follow=True))
    assert await anext(aiter(chunks)) == b"here\n"
    await chunks.aclose()  # type: ignore[attr-defined]


async def test_lines_carry_the_time_they_were_written(machine: Machine) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    await machine.apply("a", "sh", "-c", "echo now; sleep 0.5")
    await machine.phase("a", "Succeeded")
    moment, text = (await machine.log("a", LogOptions(timestamps=True))).split()
    assert text == "now"
    assert before < datetime.fromisoformat(moment) < datetime.now(UTC)


async def test_bytes_are_limited_even_within_a_line(machine: Machine) -> None:
    await machine.apply("a", "echo", "0123456789")
    await machine.phase("a", "Succeeded")
    assert await machine.log("a", LogOptions(limit_bytes=4)) == "0123"


@pytest.mark.parametrize(
    ("name", "container", "previous", "code", "told"),
    [
        ("none", "", False, 404, 'pods "none" not found'),
        ("two", "", False, 400, "a container name must be specified for pod two, choose one of: [c d]"),
        ("two", "x", False, 400, "container x is not valid for pod two"),
        ("two", "d", False, 400, 'container "d" in pod "two" is waiting to start: ErrImagePull'),
        ("two", "c", True, 400, 'previous terminated container "c" in pod "two" not found'),
    ],
)
async def test_what_cannot_be_read_is_said(
    machine: Machine, name: str, container: str, previous: bool, code: int, told: str
) -> None:
    second = {"name": "d", "image": "nothing"}
    first = {"name": "c", "image": "busybox", "command": ["true"]}
    await machine.apply("two", containers=[first, second])
    await until(lambda: "terminated" in machine.container("two")["state"])
    with pytest.raises(ApiError) as caught:
        await machine.log(name, LogOptions(previous=previous), container)
    assert caught.value.code == code
    assert told.removesuffix("ErrImagePull") in str(caught.value)


async def test_a_command_sees_mounts_environment_and_directory_of_the_container(machine: Machine) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/app/data"}], "workingDir": "/app/data"}
    mounts["env"] = [{"name": "MINE", "value": "x y"}]  # type: ignore[list-item]
    await machine.apply(
        "a", "sh", "-c", "echo file > /app/data/f; sleep 60", container=mounts, volumes=[{"name": "v"}]
    )
    await until(lambda: any(machine.folder.glob("pods/*/.volumes/v/f")))
    await machine.phase("a", "Running")
    code, out, err = await machine.exec(
        "a", "sh", "-c", 'cat f; pwd; echo "$MINE"; hostname; echo oops >&2; exit 3'
    )
    assert (code, out, err) == (3, "file\n/app/data\nx y\na\n", "oops\n")


@pytest.mark.parametrize(
    ("command", "code"), [(["no-such"], 127), (["sh", "-c", "kill -9 $$"], 137), (["true"], 0)]
)
async def test_the_exit_code_of_a_command_is_its_own(machine: Machine, command: list[str], code: int) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    assert (await machine.exec("a", *command))[0] == code


async def test_a_command_reads_what_is_sent_to_it_until_the_end(machine: Machine) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    sent = b"x" * 300_000
    assert await machine.exec("a", "wc", "-c", stdin=sent) == (0, "300000\n", "")


async def test_a_command_may_have_a_terminal(machine: Machine) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    code, out, _ = await machine.exec("a", "sh", "-c", "tty; test -t 1; exit $?", tty=True)
    assert (code, out[:9]) == (0, "/dev/pts/")
    assert (await machine.exec("a", "cat", stdin=b"typed\n", tty=True))[1].splitlines()[-1] == "typed"


async def test_a_command_ends_when_its_caller_leaves(machine: Machine) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    calling = asyncio.create_task(machine.exec("a", "sh", "-c", "touch /here; sleep 61 & sleep 61"))
    code = 1
    while code:
        code = (await machine.exec("a", "test", "-e", "/here"))[0]
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    seen = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep -c '^sleep 61'"
    assert (await machine.exec("a", "sh", "-c", seen))[1] == "0\n"


async def test_a_slow_reader_gets_all_that_a_command_wrote_before_it_ended(machine: Machine) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    got = 0

    async def slow(chunk: bytes) -> None:
        nonlocal got
        if not got:
            await asyncio.sleep(1.4 * LINGER_S)
        got += len(chunk)

    command = Command(("head", "-c", "100000", "/dev/zero"), None, slow, slow)
    assert await machine.node.streams.exec("default", "a", "", command) == 0
    assert got == 100_000


async def test_a_command_in_a_pod_that_does_not_run_is_refused(machine: Machine) -> None:
    await machine.apply("a", "true")
    await machine.phase("a", "Succeeded")
    with pytest.raises(ApiError, match='container "c" in pod "a" is not running'):
        await machine.exec("a", "true")


async def test_the_log_of_a_finished_pod_is_read_by_a_later_server(tmp_path: Path) -> None:
    objects = own_objects()
    for turn in range(2):
        machine = Machine(tmp_path / "state", objects)
        machine.start()
        if turn == 0:
            await machine.apply("a", "echo", "kept")
            await machine.phase("a", "Succeeded")
        assert await machine.log("a") == "kept\n"
        await machine.stop()
