"""The reference page of a trigger type, made from its declaration: nothing in it is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.kit.scaler import Clocked, Native, Polled, Scaler
from tidegate.kit.settings import Declared, Source, settings_of

_WHERE = {
    Source.METADATA: "metadata",
    Source.AUTHENTICATION: "authentication",
    Source.ENVIRONMENT: "environment",
}
# An example, with the paragraph before it where that ends in a colon: they come and go together.
_FENCE = re.compile(r"(?:(?:(?<=\n\n)|\A)(?:[^`\n][^\n]*\n)*[^\n]*:\n\n)?```yaml\n(.*?)```\n?", re.DOTALL)
_WORD = re.compile(r'"([^"]*)"')
_LEGEND = """\
*From*, in the order of looking: `metadata` is the trigger's own; `environment` is the key with
`FromEnv` appended, whose value names an environment variable of the scaled container;
`authentication` is a parameter of the referenced TriggerAuthentication. A blank value counts as absent.
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A YAML example of a docstring, and the trigger types it shows."""

    text: str
    types: tuple[str, ...]


def examples(prose: str) -> tuple[Example, ...]:
    """The YAML examples in a scaler module's docstring, in order."""
    found = (match[1] for match in _FENCE.finditer(prose))
    return tuple(Example(text, tuple(re.findall(r"^ *-? *type: (\S+)$", text, re.M))) for text in found)


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """A setting as a page tells of it. `default` is "" where absence is a value of its own."""

    names: tuple[str, ...]
    type: str
    sources: tuple[str, ...]
    default: str
    is_required: bool
    is_secret: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page tells: its prose with the examples of this type, its settings, what a round costs."""

    summary: Summary
    prose: str
    examples: tuple[str, ...]
    settings: tuple[SettingFacts, ...]
    nature: str


def facts(trigger_type: str, kind: type[Scaler], prose: str) -> Facts:
    """What the declaration and its module's docstring say of one trigger type."""

    def shown(match: re.Match[str]) -> str:
        (example,) = examples(match[0])
        return match[0] if trigger_type in example.types else ""

    return Facts(
        summary(trigger_type, kind, prose),
        re.sub(r"\n{3,}", "\n\n", _FENCE.sub(shown, prose)).strip(),
        tuple(one.text for one in examples(prose) if trigger_type in one.types),
        tuple(_setting(one) for one in settings_of(kind)),
        _nature(kind),
    )


def page(trigger_type: str, kind: type[Scaler], prose: str) -> str:
    """The Markdown page."""
    told = facts(trigger_type, kind, prose)
    again = "make generate" if kind.__module__.startswith("tidegate.") else _anew(trigger_type)
    lines = [
        _generated(kind.__module__, again),
        "",
        f"# `{trigger_type}`",
        "",
        told.prose,
        "",
        "## Settings",
        "",
    ]
    lines += ["| setting | type | from | default | meaning |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(one) for one in told.settings]
    lines += ["", f"{_LEGEND}\n{told.nature}\n"]
    if issubclass(kind, Polled) and not issubclass(kind, Clocked):
        for title, text in (("Cost", kind.cost), ("Tested against", kind.tested_against)):
            lines += [f"## {title}", "", f"{text[:1].upper()}{text[1:]}.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


@dataclass(frozen=True, slots=True)
class Summary:
    """A trigger type in one line: what it measures, what a round costs, what it was tested against."""

    type: str
    measures: str
    cost: str
    tested_against: str


def summary(trigger_type: str, kind: type[Scaler], prose: str) -> Summary:
    """The line of the list of types; what it measures is the first sentence of its page."""
    measures = prose.split("\n\n", 1)[0].replace("\n", " ")
    if issubclass(kind, Clocked):
        cost, tested = "nothing is asked: it follows the clock", "no server needed"
    elif issubclass(kind, Polled):
        cost, tested = kind.cost, kind.tested_against
    else:
        cost, tested = "nothing is asked: the HPA reads it", "no server needed"
    return Summary(trigger_type, measures, cost, tested)


def index(summaries: Iterable[Summary]) -> str:
    """The list of all types."""
    lines = [_generated("tidegate.scalers", "make generate"), "", "# Triggers", ""]
    lines += ["| type | measures | a round costs | tested against |", "| --- | --- | --- | --- |"]
    for one in summaries:
        cells = (f"[`{one.type}`]({one.type}.md)", one.measures, one.cost, one.tested_against)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anew(trigger_type: str) -> str:
    return f"tidegate triggers {trigger_type} -o markdown --allow-triggers {trigger_type}"


def _generated(module: str, again: str) -> str:
    path = module.replace(".", "/") + ("" if module == "tidegate.scalers" else ".py")
    return f"<!-- Generated from src/{path}: edit there, then run `{again}`. -->"


def _setting(one: Declared) -> SettingFacts:
    declaration = one.setting
    meaning = f"Removed: {declaration.removal}" if declaration.removal else declaration.doc
    if declaration.announcement:
        meaning += f" Deprecated: {declaration.announcement}"
    return SettingFacts(
        declaration.names,
        _type(one),
        tuple(_WHERE[source] for source in declaration.sources),
        _default(one),
        one.is_required,
        declaration.is_secret,
        meaning + (" Secret." if declaration.is_secret else ""),
    )


def _row(one: SettingFacts) -> str:
    names = ", ".join(f"`{name}`" for name in one.names)
    default = f"`{one.default}`" if one.default else ""
    default = "**required**" if one.is_required else default
    kind = _WORD.sub(lambda match: f"`{match[1]}`", one.type)
    cells = (names, kind, ", ".join(one.sources), default, one.meaning)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _type(one: Declared) -> str:
    """The type in words; what must be written as it stands is in double quotes."""
    if one.shape.choices:
        word = "list of " if one.shape.is_list else "one of "
        return word + ", ".join(f'"{choice}"' for choice in one.shape.choices)
    if one.shape.is_list and one.setting.separator != ",":
        return f'{one.shape.word}, separated by "{one.setting.separator}"'
    return one.shape.word


def _default(one: Declared) -> str:
    if one.is_required or one.default is None or one.default in ("", ()):
        return ""
    if isinstance(one.default, str):
        return one.default
    return str(one.default).lower() if isinstance(one.default, bool) else f"{one.default:g}"


def _nature(kind: type[Scaler]) -> str:
    if issubclass(kind, Native):
        return "The HPA reads this metric itself; it is not polled and has no activation."
    if issubclass(kind, Clocked):
        return "This trigger depends on the clock alone and is never polled."
    return "`metricType` is `AverageValue` unless the trigger says `Value`."
