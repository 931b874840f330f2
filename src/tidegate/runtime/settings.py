"""A program's own settings: declared once, read from flags and the environment, shown on a reference page.

    @dataclass(frozen=True)
    class OperatorSettings:
        leader_elect: bool = own(BOOLEAN, "false", flag="--leader-elect", about="act only as the leader")
        namespaces: tuple[str, ...] = own(NAMES, "", variable="WATCH_NAMESPACE", about="namespaces to follow")

    settings, notices = read(OperatorSettings, IGNORED, Given(flags, environment))

A flag counts before its variable, an empty variable counts as unset. Each setting says what becomes of KEDA's
of that name: it is the same, another (and how), or ignored with a notice when it is given.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from tidegate.base.duration import parse_duration
from tidegate.base.errors import Misconfigured
from tidegate.base.selectors import parse_selector
from tidegate.base.spelling import hint

Fate = Literal["same", "other", "ignored", "ours"]
Program = TypeVar("Program")

_KEY = "tidegate.setting"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting is written: `form` says it to people, `read` makes the value (ValueError: its text ends
    a sentence that begins with the setting's name)."""

    form: str
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is given from outside. `difference` says in what it is another than KEDA's, or why
    it is ignored. A repeated one takes the flag several times, its variable a comma-separated list."""

    kind: Kind
    default: str
    flag: str = ""
    variable: str = ""
    about: str = ""
    fate: Fate = "same"
    difference: str = ""
    is_repeated: bool = False

    @property
    def name(self) -> str:
        """How messages call it."""
        return " or ".join(filter(None, (self.flag, self.variable)))


def own(kind: Kind, default: str = "", **told: Any) -> Any:
    """A field of a program's settings; `told` as in `Setting`."""
    setting = Setting(kind, default, **told)
    return dataclasses.field(
        default_factory=lambda: _value(setting, _texts(setting, default)), metadata={_KEY: setting}
    )


def table(program: type[Any]) -> dict[str, Setting]:
    """The settings of a program by the name of their field, in the order in which they are declared."""
    return {one.name: one.metadata[_KEY] for one in dataclasses.fields(program) if _KEY in one.metadata}


@dataclass(frozen=True, slots=True)
class Given:
    """What a program was started with: the texts of each flag, what stood beside them on the command line and
    is no flag of it, and the environment."""

    flags: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    rest: Sequence[str] = ()


@runtime_checkable
class Checked(Protocol):
    """Settings that must go together."""

    def problems(self) -> Iterable[Misconfigured]: ...


def read(program: type[Program], ignored: Sequence[Setting], given: Given) -> tuple[Program, tuple[str, ...]]:
    """The settings, and a notice for each one given that has no effect.

    An ExceptionGroup of one Misconfigured for each problem tells all of them at once.
    """
    settings = table(program)
    problems = [_unknown(one, [*settings.values(), *ignored]) for one in given.rest]
    values: dict[str, Any] = {}
    for field, setting in settings.items():
        texts, where = _given(setting, given)
        if texts is None:
            continue
        try:
            values[field] = _value(setting, texts)
        except ValueError as error:
            written, wrong = f'"{", ".join(texts)}"', str(error)
            answer = f"{written} {wrong}" if wrong else f"{written} is not it"
            step = f"give {setting.kind.form}"
            problems.append(Misconfigured(f"use {where}", answer=answer, next_step=step))
    made = program(**values)
    if isinstance(made, Checked):
        problems += made.problems()
    if problems:
        raise ExceptionGroup("settings", problems)
    notices = []
    for setting in ignored:
        texts, where = _given(setting, given)
        if texts is not None:
            notices.append(f"{where} has no effect: {setting.difference}")
    return made, tuple(notices)


def _unknown(word: str, known: Iterable[Setting]) -> Misconfigured:
    near = hint(word.partition("=")[0], [one.flag for one in known if one.flag])
    answer = f"there is no such flag{near}" if word.startswith("-") else "nothing is expected there"
    return Misconfigured(f"use {word}", answer=answer, next_step="see --help")


def _given(setting: Setting, given: Given) -> tuple[list[str] | None, str]:
    """The texts that were given, and by what; None where none were."""
    if setting.flag and given.flags.get(setting.flag):
        texts = list(given.flags[setting.flag])
        return (texts if setting.is_repeated else texts[-1:]), setting.flag
    text = given.environment.get(setting.variable, "") if setting.variable else ""
    return (_texts(setting, text), setting.variable) if text else (None, "")


def _texts(setting: Setting, text: str) -> list[str]:
    if not setting.is_repeated:
        return [text]
    return [one.strip() for one in text.split(",") if one.strip()]


def _value(setting: Setting, texts: Sequence[str]) -> Any:
    if setting.is_repeated:
        return tuple(setting.kind.read(one) for one in texts)
    return setting.kind.read(texts[0])


# --- how settings are written


def _boolean(text: str) -> bool:
    # As Go reads them: that is what manifests for KEDA hold.
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError


def _duration(text: str) -> float:
    if re.fullmatch(r"[+-]?[0-9]+", text) and int(text):
        raise ValueError("has no unit")
    return parse_duration(text)


def _positive_duration(text: str) -> float:
    seconds = _duration(text)
    if seconds <= 0:
        raise ValueError("is not more than nothing")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    # Two quotes are what an empty value becomes in some templates.
    if text == '""':
        return ()
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _selector(text: str) -> str:
    try:
        parse_selector(text)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f'"{text}" ')) from None
    return text


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: no host means every address. `port` None: nowhere."""

    host: str
    port: int | None


def _listen(text: str) -> Listen:
    if text in ("", "0"):
        return Listen("", None)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError
    return Listen(host.strip("[]"), int(port))


def _whole(least: int, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError
    if int(text) < least:
        raise ValueError(f"is less than {least}")
    return int(text)


def whole(least: int = 0) -> Kind:
    """A whole number from `least` on."""
    return Kind(f"a whole number of at least {least}", lambda text: _whole(least, text))


def one_of(*words: str) -> Kind:
    """One of these words."""

    def read_word(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return Kind("one of " + ", ".join(words), read_word)


def _network(text: str) -> str:
    ipaddress.ip_network(text.strip(), strict=False)
    return text.strip()


BOOLEAN = Kind("true or false", _boolean)
BOOLEAN_OR_NOT = Kind("true; anything else means false", lambda text: text.lower() == "true")
TEXT = Kind("a text", str)
FOLDER = Kind("a folder", str)
FILE = Kind("a file", str)
NAMES = Kind("a comma-separated list of names", _names)
DURATION = Kind("a duration such as 300ms or 1m30s", _duration)
POSITIVE_DURATION = Kind("a duration of more than 0, such as 90s", _positive_duration)
SELECTOR = Kind("a label selector such as team=shop,tier!=test", _selector)
LISTEN = Kind("an address to listen on, such as :8080 or 127.0.0.1:8080, 0 for nowhere", _listen)
NETWORK = Kind("an address or a network, such as 10.0.0.7 or 10.0.0.0/8", _network)
