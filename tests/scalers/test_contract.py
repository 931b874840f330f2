"""What every scaler must do. A new one is tested by existing; what a class is switches tests off."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from parts.samples import Sample
from tidegate import scalers
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable, Unsupported
from tidegate.base.names import normalize
from tidegate.kit import reading
from tidegate.kit.question import ASK, Question, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Clocked, Measured, Polled
from tidegate.kit.settings import settings_of
from tidegate.scalers import pages

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SECRET = "hunter2"


class Sheet(Protocol):
    trigger_type: str
    kind: type[Any]
    metadata: dict[str, str]
    auth: dict[str, str]
    sample: Sample

    def build(self, metadata: dict[str, str] | None = None, **others: Any) -> Any: ...
    def scaler(self) -> Any: ...


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


def test_the_example_of_its_page_is_valid(every: Sheet) -> None:
    scaler = every.scaler()
    assert (scaler.type, scaler.scope.namespace) == (every.trigger_type, "shop")


def test_the_example_uses_no_key_that_nothing_reads(every: Sheet) -> None:
    names = {name for one in settings_of(every.kind) for name in one.setting.names}
    assert reading.unread_keys(every.kind, Sources(every.metadata)) == ()
    assert set(every.auth) <= names


def test_a_missing_required_setting_is_named(every: Sheet) -> None:
    for one in settings_of(every.kind):
        if one.is_required:
            rest = {key: text for key, text in every.metadata.items() if key not in one.setting.names}
            auth = {key: text for key, text in every.auth.items() if key not in one.setting.names}
            problems = every.build(rest, auth=auth)
            assert one.name in {problem.path for problem in problems}


def test_nothing_at_all_is_answered_with_every_required_setting(every: Sheet) -> None:
    required = {one.name for one in settings_of(every.kind) if one.is_required}
    assert required <= {problem.path for problem in every.build({}, auth={})}


def test_a_text_that_no_value_can_be_read_from_is_a_problem_of_its_setting(every: Sheet) -> None:
    for one in settings_of(every.kind):
        if one.shape.word not in ("string", "list of strings"):
            problems = every.build({**every.metadata, one.name: SECRET}, auth={one.name: SECRET})
            assert one.name in {problem.path for problem in problems}


def test_secrets_never_appear(every: Sheet) -> None:
    secrets = [one.name for one in settings_of(every.kind) if one.setting.is_secret]
    given = {name: f"{SECRET}-{name}" for name in secrets}
    for texts in (every.metadata, {}):  # once valid, once full of problems
        outcome = every.build({**texts, **given}, auth={**every.auth, **given})
        assert SECRET not in repr(outcome)
        if isinstance(outcome, Polled) and not isinstance(outcome, Clocked):
            with suppress(Unsupported):  # a secret may stand for an identity that is not offered
                asked = questions(outcome, every.sample)
                assert all(SECRET not in repr(one) + one.server.label() for one in asked)


def test_equal_triggers_ask_equal_questions(asker: Sheet) -> None:
    assert asker.scaler() == asker.scaler()
    asked = questions(asker.scaler(), asker.sample)
    assert asked
    assert asked == questions(asker.scaler(), asker.sample)


def test_what_differs_only_in_target_and_activation_asks_the_same(asker: Sheet) -> None:
    own = {one.name: "17" for one in settings_of(asker.kind) if one.setting.role}
    other = asker.build({**asker.metadata, **own})
    assert (other != asker.scaler()) == bool(own)
    assert questions(other, asker.sample) == questions(asker.scaler(), asker.sample)


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("ask", answer="connection refused"),
        Unreachable("ask", answer="no answer within 3 s"),
        Denied("log in"),
        Malformed("ask"),
    ],
    ids=["down", "slow", "denied", "strange"],
)
def test_a_failure_stays_that_failure(asker: Sheet, error: TidegateError) -> None:
    scaler = asker.scaler()
    with pytest.raises(type(error)) as caught:
        measured(scaler, lambda _: error)
    assert caught.value is error


@pytest.mark.parametrize("answer", [None, "", "nonsense", b"", [], {}, float("nan"), object()])
def test_a_strange_answer_is_malformed_and_never_a_zero(asker: Sheet, answer: Any) -> None:
    if any(type(zero) is type(answer) and zero == answer for zero in asker.sample.zeros):
        outcome = measured(asker.scaler(), lambda _: answer)
        assert outcome in (0, Measured((0.0,), is_empty=True))
        return
    with pytest.raises(Malformed):
        measured(asker.scaler(), lambda _: answer)


def test_a_count_below_zero_is_malformed_where_nothing_can_be_below_zero(asker: Sheet) -> None:
    if asker.sample.may_be_negative:
        assert measured(asker.scaler(), lambda _: -1) == -1
    else:
        with pytest.raises(Malformed):
            measured(asker.scaler(), lambda _: -1)


def test_what_its_server_answers_is_measured(asker: Sheet) -> None:
    outcome = measured(asker.scaler(), asker.sample.answer)
    if not isinstance(outcome, Measured):
        outcome = Measured((outcome,))
    assert (outcome.values, outcome.active) == (asker.sample.values, asker.sample.is_active)


def test_its_page_says_what_a_round_costs_and_what_it_was_tested_against(asker: Sheet) -> None:
    assert asker.kind.cost
    assert asker.kind.tested_against


def test_the_metric_name_is_stable_and_normalised(external: Sheet) -> None:
    name = external.scaler().metric_name()
    assert name == normalize(name) == external.scaler().metric_name()
    assert name.strip()


def test_target_and_activation_are_numbers(external: Sheet) -> None:
    scaler = external.scaler()
    assert scaler.metric_target() > 0
    assert scaler.activation_target() == 0


def test_a_clock_says_when_it_changes_and_not_before(clock: Sheet) -> None:
    scaler = clock.scaler()
    change = scaler.next_change(NOW)
    assert change is not None
    assert change > NOW

    def value(moment: datetime) -> Any:
        return drive(scaler.measure(ASK, moment), lambda question: pytest.fail(f"asked {question}"))

    assert value(NOW) == value(change - timedelta(microseconds=1))
    assert value(NOW) != value(change)


def test_scaler_modules_import_nothing_that_reaches_the_world(every: Sheet) -> None:
    allowed = ("tidegate.base", "tidegate.core", "tidegate.kit", "tidegate.api", "__future__", "collections")
    allowed += (
        "base64",
        "datetime",
        "typing",
        "math",
        "re",
        "dataclasses",
        "functools",
        "itertools",
        "json",
        "urllib.parse",
    )
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[every.kind.__module__]))):
        if isinstance(node, ast.Import):
            assert all(alias.name.startswith(allowed) for alias in node.names), ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).startswith(allowed), ast.unparse(node)


def test_its_page_is_in_step() -> None:
    for path, text in pages.render().items():
        assert (ROOT / path).read_text() == text, f"{path} is out of step: run `make generate`"


def test_no_page_is_left_of_a_trigger_that_is_gone() -> None:
    pages_there = {str(path.relative_to(ROOT)) for path in (ROOT / pages.FOLDER).glob("*.md")}
    assert pages_there == set(pages.render())


def test_looking_for_a_trigger_imports_no_client_library() -> None:
    code = (
        "import sys; from tidegate import scalers; scalers.types();"
        "print(*[m for m in ('redis', 'aiohttp', 'asyncio', 'socket', 'cryptography') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []


def test_a_type_that_nobody_reads_is_not_found() -> None:
    assert scalers.find("no-such-trigger") is None
    assert scalers.find("pages") is None
    assert scalers.find("../redis") is None
