"""Arithmetic: what binds tighter, how Go's two kinds of numbers mix, and an independent second opinion."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula


def value(text: str, **values: float | None) -> float | Failure | None:
    formula = compile_formula(text, ("a", "b", "c"))
    assert isinstance(formula, Formula), formula
    return formula.evaluate({"a": 2.0, "b": 3.0, "c": 5.0, **values})


@pytest.mark.parametrize(
    ("formula", "in_full"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("10 - 4 - 3", "(10 - 4) - 3"),
        ("100 / 10 / 2", "(100 / 10) / 2"),
        ("2 * 7 % 4", "(2 * 7) % 4"),
        ("2 ** 3 ** 2", "2 ** (3 ** 2)"),
        ("-2 ** 2", "-(2 ** 2)"),
        ("2 ** -1", "2 ** (-1)"),
        ("-a * b", "(-a) * b"),
        ("- -a", "-(-a)"),
        ("1 + a ?? b", "1 + (a ?? b)"),
        ("a ?? b ?? 5", "(a ?? b) ?? 5"),
        ("2 * a ?? b + 1", "(2 * (a ?? b)) + 1"),
        ("1 + 1 < 3 ? 1 : 0", "((1 + 1) < 3) ? 1 : 0"),
        ("true or true and false ? 1 : 0", "(true or (true and false)) ? 1 : 0"),
        ("not true or true ? 1 : 0", "((not true) or true) ? 1 : 0"),
        ("not (a > b) and true ? 1 : 0", "((not (a > b)) and true) ? 1 : 0"),
        ("1 == 1 and 2 > 1 ? 1 : 0", "((1 == 1) and (2 > 1)) ? 1 : 0"),
        ("2 in 1..1 + 1 ? 1 : 0", "(2 in (1..(1 + 1))) ? 1 : 0"),
        ("a > b ? 1 : a > 1 ? 2 : 3", "a > b ? 1 : (a > 1 ? 2 : 3)"),
        ("1..2 + 1 | sum()", "sum(1..(2 + 1))"),
        ("let x = a; x + 1 ; 7", "(let x = a; (x + 1 ; 7))"),
    ],
)
def test_operators_bind_as_documented(formula: str, in_full: str) -> None:
    assert value(formula) == value(in_full)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("7 / 2", 3.5),
        ("6 / 2", 3.0),
        ("-7 % 3", -1.0),
        ("7 % -3", 1.0),
        ("int(a + 5.5) % 4", 3.0),
        ("1 + 0.5", 1.5),
        ("9007199254740993 - 9007199254740992", 1.0),
        ("2 ** 0.5", math.sqrt(2)),
        ("0 ** -1 > 1e308 ? 1 : 0", 1.0),
        ("-0.0", 0.0),
        ("a * 0 * -1", 0.0),
        ("min(a / 0, 100)", 100.0),
        ("max(-a / 0, -100)", -100.0),
        ("round(2.5) + round(-0.5)", 2.0),
        ('float("1e3") + float(".5")', 1000.5),
        ('"12"', 12.0),
    ],
)
def test_numbers_mix_as_in_go(formula: str, expected: float) -> None:
    result = value(formula)
    assert result == expected
    assert isinstance(result, float)
    assert math.copysign(1, result) == math.copysign(1, expected)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("(a - 2) / 0", "`/` gives no number here (as 0 / 0), at column 9"),
        ("a / 0", "the result is infinite"),
        ("a / 0 - b / 0", "`-` gives no number here"),
        ("0 * (a / 0)", "`*` gives no number here"),
        ("(-8) ** 0.5", "`**` gives no number here"),
        ("10 ** 400", "the result is infinite"),
        ("mean(a / 0, -a / 0)", "this gives no number"),
        ("9223372036854775807 + 1", "does not fit 64 bits"),
        ("-9223372036854775807 - 2", "does not fit 64 bits"),
        ("4611686018427387904 * 2", "does not fit 64 bits"),
        ("abs(-9223372036854775807 - 1)", "does not fit 64 bits"),
        ("int(1e300)", "does not fit 64 bits"),
        ("int(a / 0)", "infinite number is no integer"),
        ("sum([9223372036854775807, 1])", "does not fit 64 bits"),
    ],
)
def test_what_has_no_number_is_a_failure_and_no_reason_to_refuse(formula: str, said: str) -> None:
    result = value(formula)
    assert isinstance(result, Failure)
    assert result.kind == "Malformed"
    assert said in result.message


def test_a_comparison_with_what_is_no_number_does_not_become_a_quiet_no() -> None:
    assert isinstance(value("(a - 2) / 0 > 5 ? 10 : 0"), Failure)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_reading_that_is_no_number_is_a_failure_where_it_is_used(number: float) -> None:
    assert isinstance(value("a > 5 ? 10 : 0", a=number), Failure)
    assert value("b + c", a=number) == 8.0


# --- a second opinion: trees that an evaluator of twenty lines computes on its own

Tree = tuple[str, "Tree", "Tree"] | int | float

LEAVES = st.one_of(
    st.integers(0, 1000), st.floats(0, 1000, allow_nan=False).map(lambda number: round(number, 3))
)
TREES: st.SearchStrategy[Tree] = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from("+-*/%"), inner, inner), max_leaves=25
)


class NoResult(Exception):
    pass


def written(tree: Tree) -> str:
    if not isinstance(tree, tuple):
        return repr(tree)
    sign, left, right = tree
    return f"({written(left)} {sign} {written(right)})"


def computed(tree: Tree) -> int | float:
    if not isinstance(tree, tuple):
        return tree
    sign, left, right = tree[0], computed(tree[1]), computed(tree[2])
    if sign == "/":
        if right == 0:
            raise NoResult
        return float(left) / float(right)
    if sign == "%":
        if not (isinstance(left, int) and isinstance(right, int)) or right == 0:
            raise NoResult
        return int(math.fmod(left, right)) if abs(left) < 2**53 and abs(right) < 2**53 else left % right
    if not (isinstance(left, int) and isinstance(right, int)):
        left, right = float(left), float(right)
    result = left + right if sign == "+" else left - right if sign == "-" else left * right
    if isinstance(result, int) and not -(2**63) <= result < 2**63:
        raise NoResult
    return result


@given(TREES)
def test_arithmetic_agrees_with_an_independent_evaluator(tree: Tree) -> None:
    try:
        expected = float(computed(tree))
    except NoResult:
        return
    formula = compile_formula(written(tree), ())
    assert isinstance(formula, Formula), formula
    result = formula.evaluate({})
    assert result == expected


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.data())
def test_chains_without_parentheses_go_from_left_to_right(numbers: list[float], data: st.DataObject) -> None:
    signs = [data.draw(st.sampled_from("+-")) for _ in numbers[1:]]
    expected, names = numbers[0], tuple(f"t{position}" for position in range(len(numbers)))
    text = "t0"
    for sign, number, name in zip(signs, numbers[1:], names[1:], strict=True):
        expected = expected + number if sign == "+" else expected - number
        text += f" {sign} {name}"
    formula = compile_formula(text, names)
    assert isinstance(formula, Formula)
    assert formula.evaluate(dict(zip(names, numbers, strict=True))) == expected
