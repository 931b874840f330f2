"""Words and variables of a Dockerfile's line, as its own lexer has them, which is not the shell's. Pure.

    ENV  A="$B c"  D='$B'  E=${F:-${G}}      three words; single quotes: as it stands

A value that is put in is one word whatever is in it. What Docker knows beside these forms (`${NAME%pattern}`
and its like) raises ValueError: taken as a text it would be a wrong value, found out later and elsewhere.
Source: https://docs.docker.com/reference/dockerfile/#environment-replacement
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|\\$|'[^']*'|"(?:\\.|[^"\\])*")+""")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_SIGNS = re.compile(r":?[-+?]")
_NO_QUOTE = "No closing quotation"


def split(text: str) -> list[str]:
    """The words as they are written, in their quotes. ValueError where a quote is not closed."""
    found: list[str] = []
    place = 0
    while rest := text[place:].lstrip():
        place = len(text) - len(rest)
        word = _WORD.match(text, place)
        if word is None or (word.end() < len(text) and not text[word.end()].isspace()):
            raise ValueError(_NO_QUOTE)
        found.append(word[0])
        place = word.end()
    return found


def resolve(word: str, values: Mapping[str, str]) -> str:
    """What a word comes to: variables replaced, quotes and backslashes taken off."""
    return _Lexer(word, values, takes_quotes=True).text()


def expand(text: str, values: Mapping[str, str]) -> str:
    """`text` with `$NAME`, `${NAME}`, `${NAME:-else}` and `${NAME:+then}`; what has no value is empty."""
    return _Lexer(text, values, takes_quotes=False).text()


class _Lexer:
    def __init__(self, text: str, values: Mapping[str, str], *, takes_quotes: bool) -> None:
        self._text = text
        self._values = values
        self._takes_quotes = takes_quotes
        self._place = 0

    def text(self) -> str:
        return "".join(self._parts(""))

    def _parts(self, end: str, *, is_quoted: bool = False) -> Iterator[str]:
        """Up to `end`, which is taken too."""
        while self._place < len(self._text):
            sign = self._text[self._place]
            self._place += 1
            if sign == end:
                return
            if sign == "$":
                yield self._variable()
            elif sign == "\\":
                yield self._escaped(is_quoted)
            elif self._takes_quotes and sign == "'" and not is_quoted:
                yield self._as_it_stands()
            elif self._takes_quotes and sign == '"' and not is_quoted:
                yield from self._parts('"', is_quoted=True)
            else:
                yield sign
        if end:
            raise ValueError(_NO_QUOTE if end == '"' else "no closing brace")

    def _as_it_stands(self) -> str:
        begin, self._place = self._place, self._text.find("'", self._place) + 1
        if not self._place:
            raise ValueError(_NO_QUOTE)
        return self._text[begin : self._place - 1]

    def _escaped(self, is_quoted: bool) -> str:
        sign = self._text[self._place : self._place + 1]
        is_taken = sign == "$" or (self._takes_quotes and (not is_quoted or sign in ('"', "\\")))
        if not sign or not is_taken:
            return "\\"
        self._place += 1
        return sign

    def _variable(self) -> str:
        has_brace = self._text.startswith("{", self._place)
        self._place += has_brace
        name = _NAME.match(self._text, self._place)
        if name is None:
            if has_brace:
                raise ValueError("${ is followed by no name")
            return "$"
        self._place = name.end()
        if not has_brace:
            return self._values.get(name[0], "")
        return self._braced(name[0], self._values.get(name[0]))

    def _braced(self, name: str, value: str | None) -> str:
        if self._text.startswith("}", self._place):
            self._place += 1
            return value or ""
        sign = _SIGNS.match(self._text, self._place)
        if sign is None:
            raise ValueError(f"${{{name}{self._text[self._place : self._place + 1]}… is not read")
        self._place = sign.end()
        other = "".join(self._parts("}"))
        is_set = bool(value) if sign[0].startswith(":") else value is not None
        if sign[0].endswith("?"):
            if not is_set:
                raise ValueError(f"{name}: {other or 'it has no value'}")
            return value or ""
        if sign[0].endswith("-"):
            return (value or "") if is_set else other
        return other if is_set else ""
