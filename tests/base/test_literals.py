import pytest

from tidegate.base.literals import parse_bool, parse_float, parse_int


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        (str(-(2**63)), -(2**63)),
    ],
)
def test_integers(text, expected):
    assert parse_int(text) == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ten", "is not a number$"),
        ("", "is not a number$"),
        ("null", "is not a number$"),
        ("0x1", "is not a number$"),
        ("1_000", "is not a number$"),
        ("٣", "is not a number$"),
        (" 5", "is not a number$"),
        ("+5", "without +"),
        ("05", "without leading zeros"),
        ("5.0", "is not a whole number"),
        ("1e3", "is not a whole number"),
        ("9223372036854775808", "out of range"),
        ("9" * 5000, "out of range"),
    ],
)
def test_what_is_no_integer_gets_its_cause(text, cause):
    with pytest.raises(ValueError, match=cause):
        parse_int(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("5", 5.0), ("-1.5", -1.5), ("1e3", 1000.0), ("1E-2", 0.01), ("0.5", 0.5)]
)
def test_numbers(text, expected):
    assert parse_float(text) == expected


@pytest.mark.parametrize("text", ["", ".5", "5.", "+5", "05", "NaN", "Inf", "inf", "0x1p3", "1e", "1_0", "-"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is not a number"):
        parse_float(text)


def test_a_number_beyond_the_range_is_refused():
    with pytest.raises(ValueError, match="out of range"):
        parse_float("1e999")


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_true(text):
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_false(text):
    assert parse_bool(text) is False


@pytest.mark.parametrize("text", ["", "yes", "tRUE", "on", " true"])
def test_neither_true_nor_false(text):
    with pytest.raises(ValueError, match="is not true or false"):
        parse_bool(text)


@pytest.mark.parametrize("parse", [parse_int, parse_float, parse_bool])
def test_a_cause_never_repeats_the_value(parse):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is tested
        parse("s3cret")
    assert "s3cret" not in str(caught.value)
