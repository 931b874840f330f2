"""The words of a formula: text in, tokens out.

Source of the rules: the language definition of expr-lang 1.17.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["name", "value", "operator", "bracket", "end"]


class Unreadable(Exception):
    """The text is not a formula; `at` is the offset of what does not fit."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Token:
    """One word. `text` is it as written, `value` the number or string it stands for."""

    kind: Kind
    text: str
    at: int
    value: Any = None

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.text}`"


# Words that are operators wherever they stand.
WORDS = frozenset(
    ["not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"]
)
_SYMBOL = re.compile(r"\?\?|\?\.|\|\||&&|==|!=|<=|>=|\*\*|\.\.|::|[-+*/%^<>=!?:;,.|#]")
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
# Letters of any alphabet, `_` and `$`, later also digits.
_NAME = re.compile(r"(?:[^\W\d]|\$)(?:\w|\$)*")
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*"
    r"|(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9_]*)?"
)
_BASES = {"0x": 16, "0o": 8, "0b": 2}
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_RAW_STRING = re.compile(r"`(?:[^`]|``)*`")
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"`?])|[xX]([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})"
    r"|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.|$))",
    re.DOTALL,
)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def tokens(text: str) -> list[Token]:
    """All words of `text`, the last of kind `end`; Unreadable at the first that is none."""
    found: list[Token] = []
    at = 0
    while True:
        if space := _SPACE.match(text, at):
            at = space.end()
        if at >= len(text):
            found.append(Token("end", "", at))
            return found
        token, at = _token(text, at)
        found.append(token)


def _token(text: str, at: int) -> tuple[Token, int]:
    char = text[at]
    if char in "()[]{}":
        return Token("bracket", char, at), at + 1
    if char in "bB" and text[at + 1 : at + 2] in ("'", '"'):
        raise Unreadable("byte strings are not offered in a formula", at)
    if text.startswith("/*", at):
        raise Unreadable("this comment does not end", at)
    if char in "0123456789." and (match := _NUMBER.match(text, at)):
        return _number(text, match)
    if match := _NAME.match(text, at):
        word = match.group()
        return Token("operator" if word in WORDS else "name", word, at), match.end()
    if char in "'\"`":
        return _string(text, at)
    if match := _SYMBOL.match(text, at):
        return Token("operator", match.group(), at), match.end()
    raise Unreadable(f"{char!r} has no meaning in a formula", at)


def _number(text: str, match: re.Match[str]) -> tuple[Token, int]:
    word, at, end = match.group(), match.start(), match.end()
    digits = word.replace("_", "").lower()
    if _NAME.match(text, end):
        raise Unreadable(f"`{word}{text[end]}` is not a number", at)
    value: int | float
    try:
        if base := _BASES.get(digits[:2]):
            value = _int(digits[2:], base)
        elif "." in digits or "e" in digits:
            value = float(digits)
            if math.isinf(value):
                raise OverflowError
        else:
            value = _int(digits, 10)
    except ValueError:
        raise Unreadable(f"`{word}` is not a number", at) from None
    except OverflowError:
        raise Unreadable(f"the number {word[:24]} is too large", at) from None
    return Token("value", word, at, value), end


def _int(digits: str, base: int) -> int:
    # 2^63 has 63 binary digits; Python itself refuses to convert very long numbers.
    significant = digits.lstrip("0") or digits[-1:]
    if len(significant) > 64:
        raise OverflowError
    value = int(significant, base)
    if value >= 2**63:
        raise OverflowError
    return value


def _string(text: str, at: int) -> tuple[Token, int]:
    if text[at] == "`":
        if (match := _RAW_STRING.match(text, at)) is None:
            raise Unreadable("this string does not end", at)
        return Token("value", match.group(), at, match.group()[1:-1].replace("``", "`")), match.end()
    if (match := _STRING.match(text, at)) is None:
        raise Unreadable("this string does not end on its line", at)
    written = match.group()
    try:
        return Token("value", written, at, _ESCAPE.sub(_unescape, written[1:-1])), match.end()
    except ValueError:
        raise Unreadable("this string has an escape that does not exist", at) from None


def _unescape(match: re.Match[str]) -> str:
    plain, octal, unknown = match.group(1), match.group(6), match.group(7)
    if unknown is not None:
        raise ValueError(unknown)
    if plain is not None:
        return _ESCAPED.get(plain, plain)
    code = (
        int(octal, 8)
        if octal
        else int(match.group(2) or match.group(3) or match.group(4) or match.group(5), 16)
    )
    if 0xD800 <= code < 0xE000:
        # Half of a pair is no character of its own.
        return "\ufffd"
    return chr(code)
