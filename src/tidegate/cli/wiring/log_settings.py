"""The log of a program, with the flags that manifests for KEDA give."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.runtime.settings import Kind, Setting, own
from tidegate.telemetry import logs

LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"}
MOST_SEVERE = ("panic", "dpanic", "fatal")


def _level(text: str) -> str:
    if text.isdigit() and int(text) > 0:
        return "debug"
    if text in MOST_SEVERE:
        return "error"
    if text not in LEVELS:
        raise ValueError
    return LEVELS[text]


def _form(text: str) -> str:
    if text not in ("json", "console", "text"):
        raise ValueError
    return "json" if text == "json" else "text"


LEVEL = Kind("debug, info, warn, error, panic or a whole number above 0", _level)
FORM = Kind("json or console", _form)


@dataclass(frozen=True)
class LogSettings:
    """What every program says of its log."""

    log_level: str = own(
        LEVEL,
        "info",
        flag="--zap-log-level",
        about="from which level on lines are logged",
        fate="other",
        difference="a number means debug, panic means error",
    )
    log_form: str = own(
        FORM,
        "console",
        flag="--zap-encoder",
        about="lines for people (console) or one JSON object a line (json)",
        fate="other",
        difference="the default is console; the lines are not KEDA's, nor their fields",
    )


_NO_ZAP = "log lines have one form, with moments as of RFC 3339"
_NO_KLOG = "nothing here logs through klog"

IGNORED_LOG_SETTINGS = (
    *(
        Setting(Kind("", str), "", flag=flag, fate="ignored", difference=_NO_ZAP)
        for flag in ("--zap-devel", "--zap-stacktrace-level", "--zap-time-encoding")
    ),
    *(
        Setting(Kind("", str), "", flag=flag, fate="ignored", difference=_NO_KLOG)
        for flag in ("--v", "--logtostderr", "--alsologtostderr", "--stderrthreshold", "--vmodule")
    ),
)


def start_log(settings: LogSettings) -> None:
    logs.start(settings.log_level, settings.log_form)
