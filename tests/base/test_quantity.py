import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.quantity import canonical, format_quantity, metric_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("5", "5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("5.", "5"),
        (".5", "0.5"),
        ("1500m", "1.5"),
        ("100u", "0.0001"),
        ("1n", "0.000000001"),
        ("0.1n", "0.000000001"),
        ("-0.1n", "-0.000000001"),
        ("2Ki", "2048"),
        ("1.5Gi", "1610612736"),
        ("1k", "1000"),
        ("1E", "1000000000000000000"),
        ("1Ei", "1152921504606846976"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        ("10Ei", "9223372036854775807"),
        ("-1e30", "-9223372036854775807"),
        ("1e999999999", "9223372036854775807"),
        ("1e-999999999", "0.000000001"),
    ],
)
def test_quantities_are_read_exactly_down_to_nano(text, expected):
    assert parse_quantity(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    ["", " 5", "5 ", "five", "1K", "1ki", "1KiB", "1.5.2", "--5", "1e", ".", "1e3m", "٣", "1_0", "NaN"],
)
def test_other_texts_are_refused_and_named(text):
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5.0, "5"),
        (1.5, "1500m"),
        (-1.5, "-1500m"),
        (0.0004, "0"),
        (0.0006, "1m"),
        (-0.0001, "0"),
        (1000.0, "1k"),
        (1500.0, "1500"),
        (2_000_000.0, "2M"),
        (Decimal("0.0005"), "0"),
        (Decimal("0.0015"), "2m"),
        (1e300, "9223372036854775807"),
        (Decimal("-1e999"), "-9223372036854775807"),
    ],
)
def test_quantities_are_written_canonically(value, expected):
    assert format_quantity(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("0Mi", "0"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("+5", "5"),
        ("-0.5", "-500m"),
        ("12000", "12k"),
        ("1200", "1200"),
        ("0.0001", "100u"),
        ("0.1n", "1n"),
        ("1024Mi", "1Gi"),
        ("512Mi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1.1Ki", "1126400m"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("5e2", "500"),
        ("5e-1", "500e-3"),
        ("9223372036854775807", "9223372036854775807"),
        ("10Ei", "9223372036854775807"),
    ],
)
def test_a_quantity_has_the_form_in_which_kubernetes_stores_it(text, expected):
    assert canonical(text) == expected
    assert canonical(expected) == expected


@given(
    st.decimals(-(10**9), 10**9, places=9, allow_nan=False),
    st.sampled_from(["", "m", "k", "Ki", "Mi", "e3", "e-2"]),
)
def test_the_canonical_form_means_the_same(number, suffix):
    text = f"{number:f}{suffix}"
    assert parse_quantity(canonical(text)) == parse_quantity(text)
    assert canonical(canonical(text)) == canonical(text)


@given(st.floats(-1e15, 1e15))
def test_what_is_written_is_read_back_to_three_decimals(value):
    assert parse_quantity(format_quantity(value)) == Decimal(f"{value:.3f}")


@given(st.decimals(-(10**12), 10**12, places=3, allow_nan=False))
def test_the_canonical_text_is_a_fixed_point(value):
    text = format_quantity(value)
    assert parse_quantity(text) == value
    assert format_quantity(parse_quantity(text)) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN")])
def test_what_is_no_number_is_never_written(value):
    with pytest.raises(ValueError, match="cannot be written"):
        format_quantity(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "0"),
        (math.inf, "0"),
        (-math.inf, "0"),
        (-1.0, "0"),
        (0.0004, "0"),
        (0.0625, "62m"),  # exactly half: to even
        (0.0125, "13m"),  # the binary value lies just above the half
        (1.0005, "1"),  # the binary value lies just below the half
        (2.5, "2500m"),
        (7.0, "7"),
        (42.5, "42500m"),
        (100.5, "100500m"),
        (9.3e15, "9300T"),
        (1e18, "1E"),
    ],
)
def test_metric_values_are_cleaned_up_as_keda_does(value, expected):
    assert metric_quantity(value) == expected
