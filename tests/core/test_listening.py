"""Which trigger listens to which channel, by the annotation."""

from __future__ import annotations

import pytest

from tidegate.core.listening import LISTEN, Listener, channel_of, listen_problems

ONE = (Listener("", "cron", False), Listener("waiting", "postgresql", True))
TWO = (*ONE, Listener("mail", "postgresql", True))
NONE = (Listener("", "redis", False),)


@pytest.mark.parametrize(
    ("text", "listeners", "channels"),
    [
        ("orders", ONE, ["", "orders"]),
        ("waiting=orders", ONE, ["", "orders"]),
        (" waiting = orders ,mail=Mail.Changed", TWO, ["", "orders", "Mail.Changed"]),
        ("mail=m", TWO, ["", "", "m"]),
        ("grün", ONE, ["", "grün"]),
        ("o" * 63, ONE, ["", "o" * 63]),
        ("o" * 249, (Listener("", "kafka", True, 249),), ["o" * 249]),
    ],
)
def test_a_channel_is_bound_to_its_trigger(
    text: str, listeners: tuple[Listener, ...], channels: list[str]
) -> None:
    annotations = {LISTEN: text}
    assert [channel_of(annotations, listeners, n) for n in range(len(listeners))] == channels
    assert not list(listen_problems(annotations, listeners))


@pytest.mark.parametrize(
    ("text", "listeners", "words", "channels"),
    [
        ("orders", TWO, "2 triggers could listen: write which, as in trigger=channel", []),
        ("orders", NONE, "no trigger's server has channels to listen to", []),
        ("wating=orders", TWO, 'no trigger has the name "wating"; did you mean "waiting"?', []),
        ("=orders", TWO, 'no trigger has the name ""', []),
        ("", ONE, "names no channel", []),
        ("waiting=", ONE, "names no channel", []),
        ("two words", ONE, '"two words" names no channel', []),
        ('a"b', ONE, "names no channel", []),
        ("x" * 64, ONE, "longer than a channel may be, 63 bytes", []),
        ("ü" * 32, ONE, "longer than a channel may be", []),
        ("a, b", ONE, '"b" is a second channel of trigger 1', ["a"]),
        ("waiting=a, nobody=b", TWO, 'no trigger has the name "nobody"', ["a"]),
    ],
)
def test_what_is_for_nobody_is_told_and_the_rest_holds(
    text: str, listeners: tuple[Listener, ...], words: str, channels: list[str]
) -> None:
    annotations = {LISTEN: text}
    (problem,) = listen_problems(annotations, listeners)
    assert problem.path == "metadata.annotations.tidegate.dev/listen"
    assert words in problem.message
    found = [channel_of(annotations, listeners, n) for n in range(len(listeners))]
    assert [one for one in found if one] == channels


def test_a_name_of_a_type_without_channels_is_told() -> None:
    (problem,) = listen_problems({LISTEN: "jobs=a"}, (Listener("jobs", "kafka", False),))
    assert problem.message == 'has no effect on "jobs": servers of kafka have no channels'


def test_without_the_annotation_nobody_listens() -> None:
    assert channel_of(None, ONE, 1) == ""
    assert not list(listen_problems({"other": "x"}, ONE))
