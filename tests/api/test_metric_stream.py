"""Messages of the stream: what is read back, what is passed over, what is refused."""

from __future__ import annotations

import pytest

from tidegate.api.metric_stream import (
    Answer,
    Answers,
    Asked,
    Dropped,
    Heard,
    Hello,
    Metric,
    Question,
    Questions,
    Told,
    Unchanged,
    read_asked,
    read_told,
    written,
)


@pytest.mark.parametrize(
    "message",
    [Questions([Question(1, Metric("shop", "web", "s0-redis"))]), Heard([1, 2]), Dropped([3])],
)
def test_what_a_metrics_api_server_says_is_read_back(message: Asked) -> None:
    assert read_asked(written(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Hello(1.5, "0.1.0"),
        Answers(2.0, [Answer(1, [0.1 + 0.2], measured_s=1.0, max_age_s=15.0, is_reply=True)]),
        Answers(2.0, [Answer(1, kind="Unreachable", message="connection refused")]),
        Unchanged(3.0, 2.5, [1, 2]),
    ],
)
def test_what_an_operator_says_is_read_back(message: Told) -> None:
    assert read_told(written(message)) == message


def test_a_newer_side_may_say_more() -> None:
    assert read_told(b'{"type":"weather","now_s":1}') is None
    assert read_asked(b'{"type":"weather"}') is None
    assert read_told(b'{"type":"hello","now_s":1,"version":"9","mood":"good"}') == Hello(1.0, "9")


@pytest.mark.parametrize("text", [b"", b"7", b"{}", b'{"type":"heard","numbers":"all"}', b'{"type":7}'])
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_asked(text)
