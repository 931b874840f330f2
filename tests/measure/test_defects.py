"""What is told of an exception that nobody foresaw."""

from __future__ import annotations

import json

from tidegate.measure.defects import unexpected


def raised(run: object) -> Exception:
    try:
        run()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def test_the_line_is_named_where_it_was_raised() -> None:
    error = raised(lambda: 1 / 0)
    assert unexpected(error).startswith(f"unexpected ZeroDivisionError in {__name__}, line ")


def test_the_line_that_called_the_standard_library_is_named_and_its_text_is_not() -> None:
    told = unexpected(raised(lambda: json.loads("hunter2")))
    assert told.startswith(f"unexpected JSONDecodeError in {__name__}, line ")
    assert "hunter2" not in told


def test_an_exception_that_was_never_raised_has_its_class_alone() -> None:
    assert unexpected(KeyError("x")) == "unexpected KeyError"
