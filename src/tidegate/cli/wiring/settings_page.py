"""The reference page of all programs' own settings, as text."""

from __future__ import annotations

from typing import Any

from tidegate.cli.wiring import metrics_apiserver_settings, operator_settings
from tidegate.cli.wiring.admission import settings as admission_settings
from tidegate.runtime.settings import Setting, table

PROGRAMS: dict[str, tuple[type[Any], tuple[Setting, ...]]] = {
    "tidegate operator": (operator_settings.OperatorSettings, operator_settings.IGNORED),
    "tidegate metrics-apiserver": (
        metrics_apiserver_settings.MetricsApiserverSettings,
        metrics_apiserver_settings.IGNORED,
    ),
    "tidegate admission-webhooks": (
        admission_settings.AdmissionSettings,
        admission_settings.IGNORED,
    ),
}
"""By its command, what each program reads and what it ignores."""

_HEAD = """<!-- Generated from the programs' tables of settings; edit there and run `make generate`. -->
# Settings of the programs

What each program of the cluster is told by flags and environment variables. The names are KEDA's, so that
manifests written for KEDA's deployments can be kept. A flag counts before its variable; an empty variable
counts as unset; a switch is given as `--flag` or `--flag=false`. Values that cannot be read end the program
with exit code 1, and all of them are told.

The last column says what became of KEDA's setting of that name: *same*, *ours* (KEDA has none), or in what it
differs.
"""

_COLUMNS = "| Setting | Written as | Default | What it says | KEDA |\n| --- | --- | --- | --- | --- |\n"
_IGNORED = "\nKnown and without effect; each is told at the start when it is given:\n\n"


def render() -> str:
    parts = [_HEAD]
    for command, (program, ignored) in PROGRAMS.items():
        parts.append(f"\n## `{command}`\n\n{_COLUMNS}")
        parts.append("".join(_row(one) for one in table(program).values()))
        if ignored:
            parts.append(f"{_IGNORED}| Setting | Why |\n| --- | --- |\n")
            parts.append("".join(f"| {_names(one)} | {_cell(one.difference)} |\n" for one in ignored))
    return "".join(parts)


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    fate = setting.difference if setting.fate == "other" else setting.fate
    repeated = "; several times, or separated by commas" if setting.is_repeated and setting.variable else ""
    cells = (_names(setting), setting.kind.form + repeated, default, setting.about, fate)
    return "| " + " | ".join(_cell(one) for one in cells) + " |\n"


def _names(setting: Setting) -> str:
    return "<br>".join(f"`{one}`" for one in (setting.flag, setting.variable) if one)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
