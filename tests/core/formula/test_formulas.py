"""Formulas as users write them for triggers: results, nil, failures, and mistakes with their place."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula

NAMES = ("trig_a", "trig_b", "redis-queue")


def compiled(text: str, names: tuple[str, ...] = NAMES) -> Formula:
    formula = compile_formula(text, names)
    assert isinstance(formula, Formula), formula
    return formula


def mistakes(text: str, names: tuple[str, ...] = NAMES) -> list[str]:
    problems = compile_formula(text, names)
    assert not isinstance(problems, Formula)
    assert {problem.path for problem in problems} == {"spec.advanced.scalingModifiers.formula"}
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("text", "trig_a", "trig_b", "expected"),
    [
        ("trig_a + trig_b", 2.0, 5.0, 7.0),
        ("(trig_a + trig_b) / 2", 2.0, 5.0, 3.5),
        ("max(trig_a, trig_b)", 2.0, 5.0, 5.0),
        ("count([trig_a,trig_b],{#>1}) > 1 ? 5 : 0", 2.0, 0.0, 0.0),
        ("count([trig_a,trig_b],{#>1}) > 1 ? 5 : 0", 2.0, 2.0, 5.0),
        ("trig_a > trig_b ? trig_a : trig_b", 2.0, 5.0, 5.0),
        ("float(trig_a < 2 ? 5 : 7)", 2.0, 5.0, 7.0),
        ("float(float(trig_a) + float(trig_b))", 2.0, 5.0, 7.0),
        ("trig_a > 4 ? 10 : trig_b > 4 ? 20 : 30", 2.0, 5.0, 20.0),
        ("trig_a ?? trig_b ?? 5", None, None, 5.0),
        ("trig_a ?? trig_b ?? 5", None, 3.0, 3.0),
        ("trig_a ?? trig_b", None, None, None),
        ("(+trig_a) ?? trig_b", None, 2.0, 2.0),
        ("(+trig_a) ?? trig_b", 1.0, 2.0, 1.0),
        ("max([]) ?? trig_b", None, 2.0, 2.0),
        ("find([trig_b], # > 1) ?? 1", None, 0.0, 1.0),
        ("trig_a == nil ? 9 : trig_a", None, None, 9.0),
        ("max(trig_a ?? 0, trig_b ?? 0)", None, 4.0, 4.0),
        ("sum(filter([trig_a, trig_b], # != nil))", None, 4.0, 4.0),
        ("sum(map([trig_a, trig_b], # ?? 1))", None, 4.0, 5.0),
        (
            "let _kedaCompositeResult = (trig_a ?? 5);"
            " _kedaCompositeResult == nil ? nil : float(_kedaCompositeResult)",
            None,
            0.0,
            5.0,
        ),
        ('$env["redis-queue"] + trig_a', 2.0, 5.0, 102.0),
        ("sum(values($env))", 2.0, 5.0, 107.0),
        ("ceil(trig_a / trig_b) * 10", 2.0, 5.0, 10.0),
    ],
)
def test_a_formula_gives_its_number(
    text: str, trig_a: float | None, trig_b: float | None, expected: float | None
) -> None:
    values = {"trig_a": trig_a, "trig_b": trig_b, "redis-queue": 100.0}
    assert compiled(text).evaluate(values) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("float(trig_a) > 1 ? 1 : 0", 1.0),
        ("float(3) + trig_a // the sum", 5.0),
        ("trig_a // the sum", 2.0),
        ("1 + 1", 2.0),
        ("trig_a > 1 ? nil : trig_a", None),
        ("10 % (int(trig_a) + 2)", 2.0),
    ],
)
def test_what_the_wrapping_of_the_text_would_break_works(text: str, expected: float | None) -> None:
    assert compiled(text).evaluate({"trig_a": 2.0}) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trig_a + 1", "`+` cannot work with nil"),
        ("trig_a > 1 ? 1 : 0", "`>` cannot work with nil"),
        ("-trig_a", "`-` needs a number, not nil"),
        ("max(trig_a, 1)", "max needs numbers, not nil"),
        ("ceil(trig_a)", "ceil takes an int or a float, not nil"),
        ("sum([trig_a, 1])", "`+` cannot work with nil"),
        ("any([trig_a], # > 1) ? 1 : 0", "`>` cannot work with nil"),
        ("sort([trig_a, 1.0])[0]", "can be sorted"),
        ("[1, 2][int(trig_a ?? 7)]", "the index is outside the array"),
    ],
)
def test_arithmetic_on_a_missing_value_is_a_failure_with_its_place(text: str, said: str) -> None:
    result = compiled(text).evaluate({"trig_a": None})
    assert isinstance(result, Failure)
    assert said in result.message
    assert "at column" in result.message
    assert text in result.message


def test_a_value_that_is_not_handed_in_is_nil() -> None:
    assert compiled("trig_a ?? 4").evaluate({}) == 4.0
    assert isinstance(compiled("trig_a").evaluate({"trig_a": 1.0}), float)
    assert compiled("trig_a").evaluate({}) is None


def test_a_failure_does_not_depend_on_the_numbers_so_that_it_is_news_once() -> None:
    formula = compiled("[1, 2][int(trig_a)]")
    assert formula.evaluate({"trig_a": 7.0}) == formula.evaluate({"trig_a": 8.0})


def test_evaluations_do_not_remember_each_other() -> None:
    formula = compiled("let x = trig_a ?? 1; reduce([1, 2], #acc + #, 0) + x")
    assert [formula.evaluate({"trig_a": number}) for number in (5.0, None, 5.0)] == [8.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("trig_b + 1", ("trig_b",)),
        ("trig_b + trig_a", ("trig_a", "trig_b")),
        ('$env["redis-queue"]', ("redis-queue",)),
        ("len($env)", NAMES),
        ("5", ()),
    ],
)
def test_a_formula_knows_which_triggers_it_reads(text: str, uses: tuple[str, ...]) -> None:
    assert compiled(text).uses == uses


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "trig_c + 1",
            "unknown name `trig_c`: the named triggers are trig_a, trig_b, redis-queue, at column 1",
        ),
        ("Trig_a", "unknown name `Trig_a`"),
        ("trig_a + redis-queue", 'the trigger "redis-queue" is written $env["redis-queue"], at column 10'),
        ("$env.nope", "unknown name `nope`"),
        ("max", "`max` is a function: write max(…)"),
        ("trig_a(1)", "`trig_a` is a number and cannot be called"),
        ("avg(trig_a)", "unknown function `avg`"),
        ("trig_a +", "a value is expected here, not the end, at column 9"),
        ("(trig_a", "`)` is expected here, not the end, at column 8"),
        ("trig_a trig_b", "`trig_b` does not belong here, at column 8"),
        ("trig_a\n  + * 2", "a value is expected here, not `*`, at line 2, column 5"),
        ("trig_a @ 2", "'@' has no meaning in a formula, at column 8"),
        ("trig_a % 2", "`%` needs two integers, not a float and an int (write int(…) around a trigger)"),
        ('trig_a + "1"', "`+` has no meaning between a float and a string, at column 8"),
        ("trig_a and true", "`and` needs true or false on both sides"),
        ("not trig_a", "`not` needs true or false, not a float"),
        ("trig_a ? 1 : 2", "a condition is true or false, not a float"),
        ("1..trig_a | sum()", "`..` needs two integers"),
        ('trig_a in ["x"]', "`in`: a float is never in an array of strings"),
        ('trig_a == "x"', "`==` has no meaning between a float and a string"),
        ("trig_a ?? 1 + 2", "`+` cannot follow `??`: put (a ?? b) in parentheses"),
        ("trig_a > 1", "a formula must give a number, not a bool"),
        ("float(trig_a) > 1", "a formula must give a number, not a bool"),
        ("[trig_a]", "a formula must give a number, not an array"),
        ("nil", "a formula must give a number, not nil"),
        ("trig_a.b", "a float has no parts"),
        ("[1][1.5]", "an array is indexed by an integer, not by a float"),
        ("{a: 1}[1]", "the keys of a map are strings, not an int"),
        ("[1][0.5:]", "the bounds of a slice are integers"),
        ("let trig_a = 1; 2", "`trig_a` exists already"),
        ("let max = 1; 2", "`max` is a function"),
        ("let x = 1; let x = 2; x", "`x` exists already"),
        ("(let x = 1; x) + x", "unknown name `x`"),
        ("# + 1", "`#` has a meaning only in a predicate"),
        ("sum([1], #acc)", "`#acc` has no meaning in sum"),
        ("count([1], #)", "the predicate of count must give true or false, not an int"),
        ("count([1])", "the predicate of count must give true or false, not an int"),
        ('sum(["x"])', "sum needs numbers, not a string"),
        ("sum(trig_a)", "sum takes an array, not a float"),
        ("any([1], #; true)", "put a predicate with `;` in braces"),
        ("all([1])", "all needs an array and a predicate"),
        ("abs()", "abs takes 1 argument, not 0"),
        ("abs(1, 2)", "abs takes 1 argument, not 2"),
        ("max()", "max takes at least 1 argument, not 0"),
        ("abs(nil)", "abs takes an int or a float, not nil"),
        ("len(trig_a)", "len takes an array or a map or a string, not a float"),
        ("trig_a.floor()", "there are no methods: write floor(…)"),
        ("1.2.3", "does not belong here"),
        ("12abc", "`12a` is not a number"),
        ("1e999", "is too large"),
        ("9223372036854775808", "is too large"),
        ("0x", "`0x` is not a number"),
        ('"abc', "this string does not end"),
        ('"\\q"', "an escape that does not exist"),
        ("b'x'", "byte strings are not offered"),
        ("trig_a /* +", "this comment does not end"),
        ("reduce([], #acc + #)", "it fails where every trigger is -1: reduce has nothing to begin with"),
        ("[1, 2][int(trig_a) + 5]", "it fails where every trigger is -1: the index is outside the array"),
        *(
            (text, "it gives nil where every trigger is -1: say with ?? what counts instead")
            for text in ("max([])", "find([trig_a], # > 1)", "first([])", "trig_a > 1 ? trig_a : nil")
        ),
        ("10 % (int(trig_a) + 1)", "it fails where every trigger is -1: `%` cannot divide by zero"),
        ("   ", "the formula is empty"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    assert any(said in message for message in mistakes(text)), mistakes(text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    assert [message.split(":")[0] for message in mistakes("max() + foo + (trig_a % 2) + bar")] == [
        "max takes at least 1 argument, not 0, at column 1",
        "unknown name `foo`",
        "`%` needs two integers, not a float and an int (write int(…) around a trigger), at column 23",
        "unknown name `bar`",
    ]


def test_without_named_triggers_the_error_says_that_none_has_a_name() -> None:
    assert mistakes("queue + 1", ()) == ["unknown name `queue`: no trigger has a name, at column 1"]


def test_a_trigger_may_have_the_name_of_a_function() -> None:
    assert compiled("sum([count, 1]) + count", ("count", "sum")).evaluate({"count": 2.0}) == 5.0
