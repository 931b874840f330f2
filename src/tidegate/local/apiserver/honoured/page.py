"""The page `docs/reference/local-fields.md`, made from the table."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.local.apiserver.honoured.table import NO_EFFECT, Row, rows, rules

_HEAD = """<!-- Generated from local/apiserver/honoured/fields.yaml; edit there and run `make generate`. -->
# Fields in local mode

What becomes of each field of a Pod, Service, Deployment, StatefulSet, DaemonSet, Job, CronJob and claim in
[local mode](../local-mode.md), by the types that the API has for them. A test walks all fields of the API, so
that none is missing here.

- **Honoured**: it does what it does on a cluster.
- **Honoured where this machine allows it**: it may not be for an ordinary user, or where pods share the
  machine's network. A warning says so where it is not, and `tidegate validate --local`.
- **Told**: it is stored and not honoured. A warning at each write that changes what is asked for says so, and
  an event (`NotHonoured`) of each pod that starts. What stands below such a field is told with it.
- **Of no consequence**: nobody reads it, and that makes no difference.

Fields that only hold others are left out: see their type. Some fields are honoured by a rule:
"""


def render() -> str:
    """The page's text."""
    parts = [_HEAD, "\n"]
    parts += [f"- *{name}*: {text}.\n" for name, text in rules().items()]
    sections: dict[str, list[str]] = {}
    for type, found in rows().items():
        if any(row.verdict != "parts" for row in found):
            sections.setdefault(_section(found), []).append(type)
    parts += [f"\n## {', '.join(types)}\n\n{text}" for text, types in sections.items()]
    return "".join(parts)


def _section(found: Iterable[Row]) -> str:
    rows = list(found)
    names = {text: name for name, text in rules().items()}
    lines = []
    if plain := [row.name for row in rows if row.verdict == "honoured" and not row.is_rule]:
        lines.append(f"Honoured: {_listed(plain)}.")
    for text, rule in names.items():
        if ruled := [row.name for row in rows if row.is_rule and row.by == text]:
            lines.append(f"Honoured, because of *{rule}*: {_listed(ruled)}.")
    if node := [row.name for row in rows if row.verdict == "node"]:
        lines.append(f"Honoured where this machine allows it: {_listed(node)}.")
    for verdict, said in (("refused", "Refused"), ("harmless", "Of no consequence")):
        whys = dict.fromkeys(row.why for row in rows if row.verdict == verdict)
        for why in whys:
            lines.append(f"{said}: {_listed(row.name for row in rows if row.why == why)} ({why}).")
    text = "\n\n".join(lines)
    told = [row for row in rows if row.verdict == "warned"]
    if not told:
        return f"{text}\n"
    table = ["| told | why | instead |", "| --- | --- | --- |"]
    table += [f"| `{row.name}`{_but(row)} | {_what(row)} | {_cell(row.instead)} |" for row in told]
    return (f"{text}\n\n" if text else "") + "\n".join(table) + "\n"


def _what(row: Row) -> str:
    return _cell(row.why if row.what == NO_EFFECT else f"{row.what}: {row.why}")


def _but(row: Row) -> str:
    unless = f", unless {row.but}" if row.but else ""
    told = ", ".join(f"`{_value(one)}`" for one in row.unless)
    return (f" but {told}" if told else "") + unless


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
