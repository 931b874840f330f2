"""Whatever is written: it ends soon, stays small, and nothing but a problem or a Failure comes out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula

NAMES = ("a", "b", "my-queue")


def outcome(text: str, **values: float | None) -> object:
    """The number, nil or the message that comes out; an exception where one escapes."""
    formula = compile_formula(text, NAMES)
    if not isinstance(formula, Formula):
        assert formula
        assert all(problem.message for problem in formula)
        return "; ".join(problem.message for problem in formula)
    result = formula.evaluate({"a": 3.0, "b": 4.0, **values})
    if isinstance(result, Failure):
        return result.message
    assert result is None or (type(result) is float and math.isfinite(result))
    return result


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1" * 10_001, "a formula may have 10000 characters, this has 10001"),
        ("9" * 9_000, "is too large"),
        ("[" + "1," * 3_000 + "]", "a formula may have 2000 parts"),
        ("len([" + "-1," * 1_200 + "])", "more than 2000 parts"),
        ("+".join(["a"] * 200), "more than 150 operations in a row or in each other"),
        ("(" * 500 + "a" + ")" * 500, "nested more than 64 deep"),
        ("-" * 500 + "a", "nested more than 64 deep"),
        ("2 ** " * 500 + "2", "nested more than 64 deep"),
        ("a > 1 ? 1 : " * 500 + "2", "nested more than 64 deep"),
        ("if a > 1 { 1 } else " * 400 + "{ 2 }", "nested more than 64 deep"),
        ("[" * 500, "nested more than 64 deep"),
        ("{a: " * 500, "nested more than 64 deep"),
        ("let x = " * 500, "nested more than 64 deep"),
        ("any([1], " * 500, "nested more than 64 deep"),
        ("a" + "[0]" * 1_000, "more than 150 operations"),
        ("a" + "?.b" * 1_000, "more than 150 operations"),
        ("sum(0..10000)", "an array would have more than 10000 items, at column 6"),
        ("sum(0..9223372036854775807)", "an array would have more than 10000 items"),
        ("len(concat(0..9999, 0..9999))", "an array would have more than 10000 items"),
        ("sum(map(0..999, sum(map(0..999, #))))", "it takes more than 100000 steps"),
        ("any(0..9999, any(0..9999, any(0..9999, false))) ? 1 : 0", "it takes more than 100000 steps"),
        ("len(uniq(0..9999))", "it takes more than 100000 steps"),
        ("len(flatten(reduce(1..30, [#acc, #acc], [1])))", "it takes more than 100000 steps"),
        ("max(reduce(1..30, [#acc, #acc], [1]))", "it takes more than 100000 steps"),
        ("len(string(reduce(1..30, [#acc, #acc], [1])))", "it takes more than 100000 steps"),
        ("len(flatten(reduce(1..500, [#acc], [1])))", "arrays lie more than 40 deep in each other"),
        ("len(string(reduce(1..500, [#acc], [1])))", "arrays lie more than 40 deep in each other"),
        ("reduce(1..99, [#acc], [1]) == reduce(1..99, [#acc], [1]) ? 1 : 0", "more than 40 deep"),
        ('len(repeat("x", 10001))', "a string would have more than 10000 characters"),
        ('len(repeat("xx", 9223372036854775807))', "a string would have more than 10000 characters"),
        ('len(reduce(1..40, #acc + #acc, "x"))', "a string would have more than 10000 characters"),
        ('let s = repeat("x", 10000); len(string(map(0..9999, s)))', "it takes more than 100000 steps"),
        (
            'let s = repeat("x", 9000); len(replace(s, "x", s))',
            "a string would have more than 10000 characters",
        ),
        ('let s = repeat("x", 9000); len(join([s, s]))', "a string would have more than 10000 characters"),
        ("2 ** 999999 ** 9", "infinite"),
        ('float("' + "9" * 5_000 + '")', "infinite"),
        ('int("' + "9" * 5_000 + '")', "int cannot read this string"),
    ],
)
def test_what_is_too_large_is_refused_with_the_limit(text: str, said: str) -> None:
    result = outcome(text)
    assert isinstance(result, str)
    assert said in result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+".join(["a"] * 140), 420.0),
        ("(" * 60 + "a" + ")" * 60, 3.0),
        ("-" * 60 + "a", 3.0),
        ("a > 5 ? 1 : " * 60 + "2", 2.0),
        ("if a > 5 { 1 } else " * 60 + "{ 2 }", 2.0),
        ("sum(0..9999)", 49_995_000.0),
        ("any([1], " * 50 + "# > 0" + ")" * 50 + " ? 1 : 0", 1.0),
        ("bitshl(1, 9223372036854775807)", 0.0),
        ('len(repeat("x", 10000))', 10_000.0),
    ],
)
def test_what_is_just_small_enough_works(text: str, expected: float) -> None:
    assert outcome(text) == expected


def deeper(frames: int, text: str) -> object:
    return deeper(frames - 1, text) if frames else outcome(text)


def test_a_caller_that_is_deep_itself_gets_a_problem_and_no_recursion_error() -> None:
    result = deeper(500, "a > 5 ? 1 : " * 60 + "+".join(["a"] * 80))
    assert result == 240.0 or "nested too deep" in str(result)


@pytest.mark.parametrize(
    "text",
    [
        "a.__class__",
        "$env.__class__",
        '$env["__class__"]',
        '"x".__class__',
        "[1].__len__",
        "[].append(1)",
        "__import__('os')",
        "open('/etc/passwd')",
        "max.__globals__",
        "({}).__class__.__mro__",
        "len(string(exec))",
        "lambda: 1",
    ],
)
def test_no_name_leads_out_of_the_language(text: str) -> None:
    assert isinstance(outcome(text), str)


def test_a_member_that_only_python_knows_is_nil_like_any_other_missing_key() -> None:
    assert outcome("{}.__class__ ?? 5") == 5.0
    assert outcome("$env?.__class__ ?? 5") == 5.0


VOCABULARY = (
    "a b my-queue $env nil true false 0 1 2.5 1e9 0x1F .5 'x' \"y\" ( ) [ ] { } , ; : ? ?? ?. . .. # #acc "
    "#index + - * / % ^ ** == != < > <= >= ! not in and or && || | = let if else x :: contains startsWith "
    "all any count sum map filter find reduce sortBy max min mean len int float string first get sort "
    "flatten keys values take repeat split join bitshl 9223372036854775807 // /* */ ` @ é"
)
WORDS = st.sampled_from(VOCABULARY.split())
NUMBERS = st.one_of(st.none(), st.floats(-1e12, 1e12))


@given(st.lists(WORDS, max_size=30), st.sampled_from(["", " "]), NUMBERS)
def test_no_soup_of_tokens_lets_an_exception_escape(words: list[str], between: str, a: float | None) -> None:
    outcome(between.join(words), a=a)


@given(st.text(max_size=60), NUMBERS)
def test_no_text_at_all_lets_an_exception_escape(text: str, a: float | None) -> None:
    outcome(text, a=a)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions from smaller ones, of all forms of the language."""

    def form(template: str) -> st.SearchStrategy[str]:
        return st.tuples(*[inner] * template.count("@")).map(lambda parts: fill(template, parts))

    return st.one_of([form(template) for template in FORMS])


def fill(template: str, parts: tuple[str, ...]) -> str:
    for part in parts:
        template = template.replace("@", part.replace("@", ""), 1)
    return template


# One form a word; `@` is a smaller expression, `_` a space.
VARIANTS = (
    "(@_+_@) (@_-_@) (@_*_@) (@_/_@) (@_%_@) (@_**_@) -@ (@_??_@) (@>@_?_@:@) (@==@_?_@:@) (@..@) [@,@] [@]"
    " (not_(@)_?_@:@) (@_in_@_?_@:@) {k:@}.k @[@] @[@:@] (let_v=@;_v) (@;@) if_@<@_{@}_else_{@}"
    " max(@,@) min(@) sum(@) mean(@,@) median(@) len(@) abs(@) ceil(@) int(@) float(@) string(@) first(@)"
    " get(@,@) take(@,@) sort(@) reverse(@) uniq(@) concat(@,@) flatten(@) bitshl(@,@) repeat(@,@)"
    " map(@,@) map(@,#+@) filter(@,#>@) count(@,#!=@) find(@,#>=@) sum(@,#*@) sortBy(@,-#) (@|max(@))"
    " reduce(@,#acc+#*@,@) reduce(@,[#acc,#acc])"
)
FORMS = [variant.replace("_", " ") for variant in VARIANTS.split()]
ATOMS = st.sampled_from(
    ["a", "b", '$env["my-queue"]', "nil", "true", "0", "1", "2.5", "7", '"x"', "[1, 2.5, a]"]
)


@given(st.recursive(ATOMS, grown, max_leaves=12), NUMBERS, NUMBERS)
def test_no_formula_of_the_grammar_lets_an_exception_escape(
    text: str, a: float | None, b: float | None
) -> None:
    outcome(text, a=a, b=b)


@given(st.recursive(ATOMS, grown, max_leaves=8), NUMBERS)
def test_the_same_values_give_the_same_result(text: str, a: float | None) -> None:
    assert outcome(text, a=a) == outcome(text, a=a)
