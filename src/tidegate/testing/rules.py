"""The contract: what every trigger type keeps, each rule a function that fails with an AssertionError.

A rule takes the sheet of a type. What the class is decides which rules there are for it (`rules_for`).
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable, Unsupported
from tidegate.base.names import normalize
from tidegate.kit import reading
from tidegate.kit.question import ASK, Question, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Clocked, Described, Measured, Polled, Scaler
from tidegate.kit.settings import settings_of
from tidegate.kit.systems.calls import EACH, rule_of
from tidegate.testing.sheets import SECRET, Sample, Sheet
from tidegate.testing.sources import parsed

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
Rule = Callable[[Sheet], None]

FAILURES: tuple[TidegateError, ...] = (
    Unreachable("ask", answer="connection refused"),
    Unreachable("ask", answer="no answer within 3 s"),
    Denied("log in"),
    Malformed("ask"),
)
PURE = (
    *("tidegate.base", "tidegate.core", "tidegate.kit", "tidegate.api", "__future__", "collections"),
    *("base64", "datetime", "typing", "math", "re", "dataclasses", "functools", "itertools", "json"),
    "urllib.parse",
)
"""What a scaler's module may import: nothing that reaches the world."""
STRANGE: tuple[Any, ...] = (None, "", "nonsense", b"", [], {}, float("nan"), object())


def measured(scaler: Polled, answer: Callable[[Question], Any]) -> Any:
    return drive(scaler.measure(ASK, NOW), answer)


def questions(scaler: Polled, sample: Sample) -> list[Question]:
    """What a measurement asks when all is well."""
    asked: list[Question] = []

    def answer(question: Question) -> Any:
        asked.append(question)
        return sample.answer(question)

    measured(scaler, answer)
    return asked


def the_example_of_its_page_is_valid(sheet: Sheet) -> None:
    scaler = sheet.scaler()
    assert (scaler.type, scaler.scope.namespace) == (sheet.trigger_type, "shop")


def the_example_uses_no_key_that_nothing_reads(sheet: Sheet) -> None:
    names = {name for one in settings_of(sheet.kind) for name in one.setting.names}
    assert reading.unread_keys(sheet.kind, Sources(sheet.metadata)) == ()
    assert set(sheet.auth) <= names


def a_missing_required_setting_is_named(sheet: Sheet) -> None:
    for one in settings_of(sheet.kind):
        if one.is_required:
            written = {name + end for name in one.setting.names for end in ("", reading.FROM_ENV)}
            rest = {key: text for key, text in sheet.metadata.items() if key not in written}
            auth = {key: text for key, text in sheet.auth.items() if key not in one.setting.names}
            problems = sheet.build(rest, auth=auth)
            assert one.name in {problem.path for problem in problems}


def nothing_at_all_is_answered_with_every_required_setting(sheet: Sheet) -> None:
    required = {one.name for one in settings_of(sheet.kind) if one.is_required}
    assert required <= {problem.path for problem in sheet.build({}, auth={})}


def a_text_that_no_value_can_be_read_from_is_a_problem_of_its_setting(sheet: Sheet) -> None:
    for one in settings_of(sheet.kind):
        if one.shape.word not in ("string", "list of strings"):
            problems = sheet.build({**sheet.metadata, one.name: SECRET}, auth={one.name: SECRET})
            assert one.name in {problem.path for problem in problems}


def secrets_never_appear(sheet: Sheet) -> None:
    secrets = [one.name for one in settings_of(sheet.kind) if one.setting.is_secret]
    given = {name: f"{SECRET}-{name}" for name in secrets}
    for texts in (sheet.metadata, {}):  # once valid, once full of problems
        outcome = sheet.build({**texts, **given}, auth={**sheet.auth, **given})
        assert SECRET not in repr(outcome)
        if isinstance(outcome, Polled) and not isinstance(outcome, Clocked):
            with suppress(Unsupported):  # a secret may stand for an identity that is not offered
                asked = questions(outcome, sheet.sample)
                assert all(SECRET not in repr(one) + one.server.label() for one in asked)


def equal_triggers_ask_equal_questions(sheet: Sheet) -> None:
    assert sheet.scaler() == sheet.scaler()
    asked = questions(sheet.scaler(), sheet.sample)
    assert asked
    assert asked == questions(sheet.scaler(), sheet.sample)


def what_differs_only_in_target_and_activation_asks_the_same(sheet: Sheet) -> None:
    own = {one.name: "17" for one in settings_of(sheet.kind) if one.setting.role}
    other = sheet.build({**sheet.metadata, **own})
    assert (other != sheet.scaler()) == bool(own)
    assert questions(other, sheet.sample) == questions(sheet.scaler(), sheet.sample)


def a_failure_stays_that_failure(sheet: Sheet) -> None:
    scaler = sheet.scaler()
    for error in FAILURES:
        with pytest.raises(type(error)) as caught:
            measured(scaler, lambda _, error=error: error)  # type: ignore[misc]
        assert caught.value is error


def a_strange_answer_is_malformed_and_never_a_zero(sheet: Sheet) -> None:
    for answer in STRANGE:
        if any(type(zero) is type(answer) and zero == answer for zero in sheet.sample.zeros):
            outcome = measured(sheet.scaler(), lambda _, answer=answer: answer)  # type: ignore[misc]
            assert outcome in (0, Measured((0.0,), is_empty=True))
            continue
        with pytest.raises(Malformed):
            measured(sheet.scaler(), lambda _, answer=answer: answer)  # type: ignore[misc]


def a_count_below_zero_is_malformed_where_nothing_can_be_below_zero(sheet: Sheet) -> None:
    if sheet.sample.may_be_negative:
        assert measured(sheet.scaler(), lambda _: -1) == -1
    else:
        with pytest.raises(Malformed):
            measured(sheet.scaler(), lambda _: -1)


def what_its_server_answers_is_measured(sheet: Sheet) -> None:
    outcome = measured(sheet.scaler(), sheet.sample.answer)
    if not isinstance(outcome, Measured):
        outcome = Measured((outcome,))
    assert (outcome.values, outcome.active) == (sheet.sample.values, sheet.sample.is_active)


def its_page_says_what_a_round_costs_and_what_it_was_tested_against(sheet: Sheet) -> None:
    assert sheet.kind.cost
    assert sheet.kind.tested_against


def its_calls_are_those_that_its_questions_declare(sheet: Sheet) -> None:
    declared = [rule_of(one) for one in questions(sheet.scaler(), sheet.sample)]
    # One that declares nothing may be the same for all triggers of a server, which its type knows.
    assert sheet.kind.calls in declared or all(rule == EACH for rule in declared)


def the_metric_name_is_stable_and_normalised(sheet: Sheet) -> None:
    name = sheet.scaler().metric_name()
    assert name == normalize(name) == sheet.scaler().metric_name()
    assert name.strip()


def target_and_activation_are_numbers(sheet: Sheet) -> None:
    scaler = sheet.scaler()
    assert scaler.metric_target() > 0
    assert scaler.activation_target() == 0


def a_clock_says_when_it_changes_and_not_before(sheet: Sheet) -> None:
    scaler = sheet.scaler()
    change = scaler.next_change(NOW)
    assert change is not None
    assert change > NOW

    def value(moment: datetime) -> Any:
        return drive(scaler.measure(ASK, moment), lambda question: pytest.fail(f"asked {question}"))

    assert value(NOW) == value(change - timedelta(microseconds=1))
    assert value(NOW) != value(change)


def scaler_modules_import_nothing_that_reaches_the_world(sheet: Sheet) -> None:
    package = sheet.kind.__module__.partition(".")[0]
    allowed = PURE if package == "tidegate" else (*PURE, package)
    for node in ast.walk(parsed(inspect.getsource(sys.modules[sheet.kind.__module__]))):
        if isinstance(node, ast.Import):
            assert all(alias.name.startswith(allowed) for alias in node.names), ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            assert node.level or str(node.module).startswith(allowed), ast.unparse(node)


EVERY: tuple[Rule, ...] = (
    the_example_of_its_page_is_valid,
    the_example_uses_no_key_that_nothing_reads,
    a_missing_required_setting_is_named,
    nothing_at_all_is_answered_with_every_required_setting,
    a_text_that_no_value_can_be_read_from_is_a_problem_of_its_setting,
    secrets_never_appear,
    scaler_modules_import_nothing_that_reaches_the_world,
)
ASKING: tuple[Rule, ...] = (
    equal_triggers_ask_equal_questions,
    what_differs_only_in_target_and_activation_asks_the_same,
    a_failure_stays_that_failure,
    a_strange_answer_is_malformed_and_never_a_zero,
    a_count_below_zero_is_malformed_where_nothing_can_be_below_zero,
    what_its_server_answers_is_measured,
    its_page_says_what_a_round_costs_and_what_it_was_tested_against,
    its_calls_are_those_that_its_questions_declare,
)
"""Of types that ask a server."""
EXTERNAL: tuple[Rule, ...] = (
    the_metric_name_is_stable_and_normalised,
    target_and_activation_are_numbers,
)
"""Of types with a metric of ours, which has a name, a target and an activation."""
CLOCKS: tuple[Rule, ...] = (a_clock_says_when_it_changes_and_not_before,)
"""Of types that depend on the time alone."""
ALL = (*EVERY, *ASKING, *EXTERNAL, *CLOCKS)


def rules_for(kind: type[Scaler]) -> tuple[Rule, ...]:
    """The rules that a class has to keep: what it is switches them on, never its name."""
    rules = [*EVERY]
    if issubclass(kind, Clocked):
        rules += CLOCKS
    elif issubclass(kind, Polled):
        rules += ASKING
    if issubclass(kind, Polled) and not issubclass(kind, Described):
        rules += EXTERNAL
    return tuple(rules)
