"""Lines that nobody reads hold up nobody."""

from __future__ import annotations

import os
import re

from tidegate.cli.output.printer import WAITING_MAX, Printer

LONG = "x" * 4096


def test_lines_come_in_their_order() -> None:
    reader, writer = os.pipe()
    printer = Printer(writer)
    for number in range(3):
        printer.line(f"line {number} ü")
    printer.close()
    assert os.read(reader, 4096).decode() == "line 0 ü\nline 1 ü\nline 2 ü\n"
    os.close(reader)
    os.close(writer)


def test_a_reader_that_has_stopped_is_told_later_how_much_it_missed() -> None:
    reader, writer = os.pipe()
    printer = Printer(writer)
    for _ in range(3 * WAITING_MAX):
        printer.line(LONG)  # would wait for ever if it were written here
    text = b""
    while text.count(b"\n") < WAITING_MAX:
        text += os.read(reader, 1 << 20)
    printer.line("the last")
    while not text.endswith(b"the last\n"):
        text += os.read(reader, 1 << 20)
    *lines, last = text.decode().splitlines()
    told = [line for line in lines if line != LONG]
    missed = [re.fullmatch(r"… (\d+) lines were left out: nobody read them in time", one) for one in told]
    assert sum(int(one[1]) for one in missed if one) + lines.count(LONG) == 3 * WAITING_MAX
    assert (all(missed), bool(missed), last) == (True, True, "the last")
    printer.close()
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_gone_ends_it() -> None:
    reader, writer = os.pipe()
    printer = Printer(writer)
    os.close(reader)
    for _ in range(3 * WAITING_MAX):
        printer.line(LONG)
    printer.close()
    os.close(writer)
