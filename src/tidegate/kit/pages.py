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


def page(trigger_type: str, kind: type[Scaler], prose: str) -> str:
    """The Markdown page; of the prose's examples it shows those of this type."""

    def shown(match: re.Match[str]) -> str:
        (example,) = examples(match[0])
        return match[0] if trigger_type in example.types else ""

    body = re.sub(r"\n{3,}", "\n\n", _FENCE.sub(shown, prose)).strip()
    lines = [_generated(kind.__module__), "", f"# `{trigger_type}`", "", body, "", "## Settings", ""]
    lines += ["| setting | type | from | default | meaning |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(one) for one in settings_of(kind)]
    lines += ["", _LEGEND + _nature(kind)]
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
    lines = [_generated("tidegate.scalers"), "", "# Triggers", ""]
    lines += ["| type | measures | a round costs | tested against |", "| --- | --- | --- | --- |"]
    for one in summaries:
        cells = (f"[`{one.type}`]({one.type}.md)", one.measures, one.cost, one.tested_against)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _generated(module: str) -> str:
    path = module.replace(".", "/") + ("" if module == "tidegate.scalers" else ".py")
    return f"<!-- Generated from src/{path}: edit there, then run `make generate`. -->"


def _row(one: Declared) -> str:
    declaration = one.setting
    names = f"`{declaration.names[0]}`" + "".join(f", `{alias}`" for alias in declaration.names[1:])
    where = ", ".join(_WHERE[source] for source in declaration.sources)
    doc = f"Removed: {declaration.removal}" if declaration.removal else declaration.doc
    if declaration.announcement:
        doc += f" Deprecated: {declaration.announcement}"
    if declaration.is_secret:
        doc += " Secret."
    cells = (names, _type(one), where, _default(one), doc)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _type(one: Declared) -> str:
    if one.shape.choices:
        word = "list of " if one.shape.is_list else "one of "
        return word + ", ".join(f"`{choice}`" for choice in one.shape.choices)
    if one.shape.is_list and one.setting.separator != ",":
        return f"{one.shape.word}, separated by `{one.setting.separator}`"
    return one.shape.word


def _default(one: Declared) -> str:
    if one.is_required:
        return "**required**"
    if one.default is None or one.default in ("", ()):
        return ""
    if isinstance(one.default, str):
        return f"`{one.default}`"
    return f"`{str(one.default).lower()}`" if isinstance(one.default, bool) else f"`{one.default:g}`"


def _nature(kind: type[Scaler]) -> str:
    if issubclass(kind, Native):
        return "\nThe HPA reads this metric itself; it is not polled and has no activation.\n"
    if issubclass(kind, Clocked):
        return "\nThis trigger depends on the clock alone and is never polled.\n"
    facts = [("Cost", kind.cost), ("Tested against", kind.tested_against)] if issubclass(kind, Polled) else []
    told = "".join(f"\n## {title}\n\n{text[:1].upper()}{text[1:]}.\n" for title, text in facts)
    return "\n`metricType` is `AverageValue` unless the trigger says `Value`.\n" + told
