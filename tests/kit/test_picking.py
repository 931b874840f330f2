"""YAML, XML, the Prometheus text format, patterns: what is found, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.kit.picking.exposition import Sample, read_selector
from tidegate.kit.picking.patterns import LONGEST, glob, pattern
from tidegate.kit.picking.pick import Nothing, Text, Unpicked
from tidegate.kit.picking.xmlpath import Xml
from tidegate.kit.picking.yamlpath import Yaml

YAML = b"""
queue: {waiting: 3, quoted: "4", share: 1.5, big: 0x10, yes: true, on: off, nothing: ~, nan: NaN}
queues:
- waiting: 5
- {waiting: 10Mi, "a b": 7}
"""
XML = b"""<?xml version="1.0"?>
<queues xmlns="urn:x" total="9">
  <queue name="a"><waiting> 3 </waiting></queue>
  <queue name="b" size="4">12</queue>
  <empty/>
</queues>"""
METRICS = b"""# HELP jobs Jobs.\r
# TYPE jobs gauge\r
jobs{queue="a",state="ready"} 3\r
jobs{queue="a",state="done",} 4 1700000000000\r
jobs { queue = "b" , state="rea\\"dy\\n" } 5
plain 7
plain 8
nan NaN
inf +Inf
small 1.5e-3
hist_bucket{le="0.5"} 11
hist_count 12"""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("queue.waiting", 3),
        ("queue.quoted", "4"),
        ("queue.share", 1.5),
        ("queue.big", 16),
        ("queue.nothing", None),
        ("queue.missing", None),
        ("queue.nan", "NaN"),
        ("queue.yes", True),
        ("queue.on", "off"),
        ("queue.waiting.more", 3),
        ("queues.0.waiting", 5),
        ("queues.1.waiting", "10Mi"),
        ("queues.1.a b", 7),
        ("queues.2.waiting", None),
        ("queues.-1.waiting", None),
        ("queue", {"waiting": 3}),
    ],
)
def test_yaml(path: str, value: Any) -> None:
    found = Yaml(path).of(Yaml.read(YAML))
    assert (found["waiting"] if path == "queue" else found) == (3 if path == "queue" else value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a: [1", "not YAML"),
        (b"a: \xff", "UTF-8"),
        (b"a: &x 1\nb: *x", "aliases"),
        (
            b"a: &a [x]\n"
            + b"".join(b"%c: &%c [*%c,*%c]\n" % (98 + n, 98 + n, 97 + n, 97 + n) for n in range(20)),
            "aliases",
        ),
        (b"[" * 1000, "deeper than 64"),
        (b"- " * 100 + b"x", "deeper than 64"),
        (b"{a: " * 70, "deeper than 64"),
        (b"- a\n" * 50_001, "more than 50000 values"),
        (b"a" * ((1 << 20) + 1), "larger than 1 MiB"),
        (b"a: !!python/object/apply:os.system [x]", "not YAML"),
        (b"a: 1\na: 2", None),
    ],
)
def test_yaml_that_asks_for_too_much_is_refused(body: bytes, message: str | None) -> None:
    if message is None:
        assert Yaml("b").of(Yaml.read(body)) is None
        return
    with pytest.raises(Unpicked, match=message):
        Yaml.read(body)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("queue.0.waiting", "3"),
        ("queues.queue.0.waiting", "3"),
        ("queue.1", "12"),
        ("queue.1.@size", "4"),
        ("queue.0.@name", "a"),
        ("@total", "9"),
        ("queues.@total", "9"),
        ("empty", ""),
        ("nothing", None),
        ("queue.2", None),
    ],
)
def test_xml(path: str, value: Any) -> None:
    assert Xml(path).of(Xml.read(XML)) == value


def test_a_root_that_is_a_value_is_found_by_its_name() -> None:
    assert Xml("n").of(Xml.read(b"<n>5</n>")) == "5"
    assert Xml("n").of(Xml.read(b"<n><n>6</n></n>")) == "6"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"{}", "not XML"),
        (b"<a><b></a>", "not XML"),
        (b"<a>", "not XML"),
        (b"<a>\xff</a>", "not XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not XML"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "DTD"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DTD"),
        (
            b"<!DOCTYPE a [<!ENTITY a0 'x'>"
            + b"".join(b"<!ENTITY a%d '&a%d;&a%d;'>" % (n + 1, n, n) for n in range(30))
            + b"]><a>&a30;</a>",
            "DTD",
        ),
        (b"<a>" * 65 + b"</a>" * 65, "deeper than 64"),
        (b"<a>" * 500_000, "deeper than 64"),
        (b"<a>" + b"<b/>" * 100_001 + b"</a>", "more than 100000 elements"),
    ],
)
def test_xml_that_asks_for_too_much_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(Unpicked, match=message):
        Xml.read(body)


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("plain", 7),
        ("jobs", 3),
        ('jobs{state="done"}', 4),
        ('jobs{queue="a",state="done"}', 4),
        ("jobs{state='done'}", 4),
        ('jobs{ queue = "b" }', 5),
        ('jobs{state="rea\\"dy\\n"}', 5),
        ('jobs{state!="ready"}', 4),
        ('jobs{queue=~"b|c"}', 5),
        ('jobs{queue=~"b|c",state=~"x"}', None),
        ('jobs{queue!~"a"}', 5),
        ('jobs{other=""}', 3),
        ('jobs{other="x"}', None),
        ("nothing", None),
        ("inf", float("inf")),
        ("small", 0.0015),
        ("hist_count", 12),
        ('hist_bucket{le="0.5"}', 11),
    ],
)
def test_the_first_series_that_fits_is_taken(selector: str, value: float | None) -> None:
    assert Sample(selector).of(Sample.read(METRICS)) == value


@pytest.mark.parametrize(
    "line",
    [
        b"name",
        b"name x",
        b"name 0x10",
        b"name 1 2 3",
        b"name 1_0",
        b'name{a="b} 1',
        b"<html>",
        b"9name 1",
        b"name " + b"1" * 300_000 + b" x y",
        b"n" * 1_000_000,
        b'name{a="' + b"x" * 1_000_000,
        b"name{" + b'a="b",' * 100_000 + b"} x y",
    ],
)
def test_one_bad_line_spoils_the_text(line: bytes) -> None:
    with pytest.raises(Unpicked, match="line 2 of the answer is not"):
        Sample.read(b"good 1\n" + line + b"\n")


@pytest.mark.parametrize(
    "selector",
    ["", "{a='b'}", "a b", "a{", "a{b}", 'a{b="c"} > 1', 'a{b=~"("}', 'a{b="c" d="e"}', 'a{b=~"(?=x)"}'],
)
def test_what_is_no_selector_is_told(selector: str) -> None:
    with pytest.raises(Unpicked):
        read_selector(selector)


def test_patterns_need_time_in_proportion_to_the_text_whatever_they_are() -> None:
    assert not pattern("(a+)+$").is_in("a" * 100_000 + "b")
    assert not pattern("(a|a)*(a|a)*b").is_all_of("a" * 100_000)
    assert pattern("B.*d", ignores_case=True).is_in("abcD")
    assert not pattern("b").is_all_of("abc")


@pytest.mark.parametrize("text", ["(", "(a)\\1", "(?<=a)b", "a{2000}", "[z-a]", "x" * (LONGEST + 1)])
def test_what_is_no_pattern_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="is ") as caught:
        pattern(text)
    assert text not in str(caught.value) or len(text) < 3


def test_globs() -> None:
    assert glob("a*c?").is_all_of("a\nbbcd")
    assert not glob("a*c?").is_all_of("abbc")
    assert glob("a\\*").is_all_of("a*")
    assert not glob("a.c").is_all_of("abc")


def test_texts_and_nothing() -> None:
    assert Text().of(Text.read(b"\xef\xbb\xbfok")) == "ok"
    assert Nothing().of(Nothing.read(b"\xff")) is True
    with pytest.raises(Unpicked, match="longer than 3"):
        Text(3).of("four")
    with pytest.raises(Unpicked, match="UTF-8"):
        Text.read(b"\xff")
