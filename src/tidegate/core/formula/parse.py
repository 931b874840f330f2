"""Tokens to a tree, by precedence climbing.

Source of the precedences and of their corner cases: the language definition and the parser of
expr-lang 1.17. From loosest to tightest: `|`, or, and, comparisons and `in`, `..`, + -, not,
* / %, unary sign, ** ^, `??`.
"""

from __future__ import annotations

from tidegate.core.formula import budget, nodes
from tidegate.core.formula.tokens import Token, Unreadable, tokens

_BINARY = {
    "|": 0,
    **dict.fromkeys(["or", "||"], 10),
    **dict.fromkeys(["and", "&&"], 15),
    **dict.fromkeys(
        ["==", "!=", "<", ">", ">=", "<=", "in", "contains", "startsWith", "endsWith", "matches"], 20
    ),
    "..": 25,
    **dict.fromkeys(["+", "-"], 30),
    **dict.fromkeys(["*", "/", "%"], 60),
    **dict.fromkeys(["**", "^"], 100),
    "??": 500,
}
_UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_RIGHT = frozenset(["**", "^"])
_COMPARISONS = frozenset(["<", ">", "<=", ">="])
_NEGATABLE = frozenset(["in", "contains", "startsWith", "endsWith", "matches"])
# Two spellings of one operator.
_SAME = {"||": "or", "&&": "and", "!": "not", "^": "**"}
_WORDS_OF_VALUES = {"true": True, "false": False, "nil": None}
# Calls with a predicate: whether it may be left out, and whether an argument may follow it.
_PREDICATES: dict[str, tuple[bool, bool]] = {
    **dict.fromkeys(["all", "none", "any", "one", "filter", "map", "groupBy"], (False, False)),
    **dict.fromkeys(["find", "findIndex", "findLast", "findLastIndex"], (False, False)),
    **dict.fromkeys(["count", "sum"], (True, False)),
    **dict.fromkeys(["sortBy", "reduce"], (False, True)),
}


def parse(text: str) -> nodes.Node:
    """The tree of `text`; Unreadable where it is not a formula, or too large for one."""
    if len(text) > budget.SOURCE_CHARS:
        raise Unreadable(f"a formula may have {budget.SOURCE_CHARS} characters, this has {len(text)}", 0)
    words = tokens(text)
    if len(words) > 2 * budget.NODES:
        raise Unreadable(f"a formula may have {budget.NODES} parts", words[2 * budget.NODES].at)
    return _Parser(words).whole()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._next = 0
        self._nesting = 0
        self._predicates = 0

    @property
    def _word(self) -> Token:
        return self._words[self._next]

    def _is(self, *texts: str) -> bool:
        """Whether the next word is one of these operators or brackets."""
        return self._word.kind in ("operator", "bracket") and self._word.text in texts

    def _take(self) -> Token:
        word = self._word
        if word.kind != "end":
            self._next += 1
        return word

    def _skip(self, text: str) -> bool:
        if self._is(text):
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise Unreadable(f"`{text}` is expected here, not {self._word}", self._word.at)

    def _expect_name(self) -> Token:
        if self._word.kind != "name":
            raise Unreadable(f"a name is expected here, not {self._word}", self._word.at)
        return self._take()

    def whole(self) -> nodes.Node:
        node = self._sequence()
        if self._word.kind != "end":
            raise Unreadable(f"{self._word} does not belong here", self._word.at)
        return node

    def _sequence(self) -> nodes.Node:
        parts = [self._expression(0)]
        while self._skip(";"):
            if self._word.kind == "end":
                break
            parts.append(self._expression(0))
        return parts[0] if len(parts) == 1 else nodes.Sequence(parts[0].at, tuple(parts))

    def _expression(self, precedence: int) -> nodes.Node:
        self._nesting += 1
        if self._nesting > budget.NESTING:
            raise Unreadable(f"it is nested more than {budget.NESTING} deep", self._word.at)
        if precedence == 0 and self._is("let"):
            node = self._let()
        elif precedence == 0 and self._is("if"):
            node = self._if()
        else:
            node = self._operators(precedence)
            while precedence == 0 and self._is("?"):
                node = self._ternary(node)
        self._nesting -= 1
        return node

    def _operators(self, precedence: int) -> nodes.Node:
        left = self._primary()
        previous = ""
        while self._word.kind == "operator":
            word = self._word
            is_negated = word.text == "not"
            if is_negated:
                word = self._words[self._next + 1]
                if word.kind != "operator" or word.text not in _NEGATABLE:
                    raise Unreadable("`not` does not belong here", self._word.at)
            power = _BINARY.get(word.text)
            if power is None or power < precedence:
                break
            if previous == "??" and word.text not in ("??", "|"):
                raise Unreadable(f"`{word.text}` cannot follow `??`: put (a ?? b) in parentheses", word.at)
            self._next += 2 if is_negated else 1
            previous = word.text
            if word.text == "|":
                left = self._call(self._expect_name(), [left])
            elif word.text in _COMPARISONS:
                left = self._comparisons(left, word, power)
            else:
                right = self._expression(power if word.text in _RIGHT else power + 1)
                left = nodes.Binary(word.at, _SAME.get(word.text, word.text), left, right)
                if is_negated:
                    left = nodes.Unary(word.at, "not", left)
        return left

    def _comparisons(self, left: nodes.Node, word: Token, power: int) -> nodes.Node:
        """`1 < a <= 5` is `1 < a and a <= 5`."""
        chain: nodes.Node | None = None
        while True:
            right = self._expression(power + 1)
            link = nodes.Binary(word.at, word.text, left, right)
            chain = link if chain is None else nodes.Binary(word.at, "and", chain, link)
            if not self._is(*_COMPARISONS):
                return chain
            left, word = right, self._take()

    def _ternary(self, condition: nodes.Node) -> nodes.Node:
        at = self._take().at
        if self._skip(":"):
            return nodes.Conditional(at, condition, condition, self._expression(0))
        then = self._expression(0)
        self._expect(":")
        return nodes.Conditional(at, condition, then, self._expression(0))

    def _let(self) -> nodes.Node:
        self._expect("let")
        name = self._expect_name()
        self._expect("=")
        value = self._expression(0)
        self._expect(";")
        return nodes.Let(name.at, name.text, value, self._sequence())

    def _if(self) -> nodes.Node:
        at = self._take().at
        condition = self._expression(0)
        then = self._block()
        self._expect("else")
        otherwise = self._expression(0) if self._is("if") else self._block()
        return nodes.Conditional(at, condition, then, otherwise)

    def _block(self) -> nodes.Node:
        self._expect("{")
        node = self._sequence()
        self._expect("}")
        return node

    def _primary(self) -> nodes.Node:
        word = self._take()
        if word.kind == "operator":
            if word.text in _UNARY:
                operand = self._expression(_UNARY[word.text])
                return self._postfix(nodes.Unary(word.at, _SAME.get(word.text, word.text), operand))
            if word.text == "#" and self._predicates:
                name = self._take().text if self._word.kind == "name" else ""
                return self._postfix(nodes.Pointer(word.at, name))
            if word.text == "." and self._predicates:
                self._next -= 1
                return self._postfix(nodes.Pointer(word.at, ""))
            if word.text == "::":
                return self._postfix(self._call(self._expect_name(), []))
        elif word.kind == "value":
            node = nodes.Constant(word.at, word.value)
            return self._postfix(node) if isinstance(word.value, str) else node
        elif word.kind == "name":
            if word.text in _WORDS_OF_VALUES:
                return nodes.Constant(word.at, _WORDS_OF_VALUES[word.text])
            return self._postfix(self._call(word, []) if self._is("(") else nodes.Name(word.at, word.text))
        elif word.text == "(":
            node_inside = self._sequence()
            self._expect(")")
            return self._postfix(node_inside)
        elif word.text == "[":
            return self._postfix(nodes.Array(word.at, tuple(self._list("]"))))
        elif word.text == "{":
            return self._postfix(self._map(word))
        if word.text in ("#", "."):
            raise Unreadable(f"{word} has a meaning only in a predicate, as in any(array, # > 1)", word.at)
        raise Unreadable(f"a value is expected here, not {word}", word.at)

    def _list(self, closing: str) -> list[nodes.Node]:
        """Expressions up to `closing`, with commas between them; one more comma may end them."""
        found: list[nodes.Node] = []
        while not self._skip(closing):
            if found:
                self._expect(",")
                if self._skip(closing):
                    break
            found.append(self._expression(0))
        return found

    def _map(self, opening: Token) -> nodes.Node:
        pairs: list[tuple[nodes.Node, nodes.Node]] = []
        while not self._skip("}"):
            if pairs:
                self._expect(",")
                if self._skip("}"):
                    break
            word = self._word
            key: nodes.Node
            if word.kind == "name" or word.kind == "value":
                self._take()
                key = nodes.Constant(word.at, word.value if isinstance(word.value, str) else word.text)
            elif self._is("("):
                key = self._expression(0)
            else:
                raise Unreadable(
                    f"the key of a map is a name, a string or in parentheses, not {word}", word.at
                )
            self._expect(":")
            pairs.append((key, self._expression(0)))
        return nodes.MapOf(opening.at, tuple(pairs))

    def _call(self, name: Token, piped: list[nodes.Node]) -> nodes.Node:
        self._expect("(")
        if name.text not in _PREDICATES:
            return nodes.Call(name.at, name.text, (*piped, *self._list(")")))
        may_omit, may_follow = _PREDICATES[name.text]
        arguments = piped or [self._expression(0)]
        predicate: nodes.Node | None = None
        is_first = bool(piped)
        if not (may_omit and self._is(")")) and (is_first or self._skip(",")) and not self._is(")"):
            predicate = self._predicate()
            if may_follow and self._skip(",") and not self._is(")"):
                arguments = [*arguments, self._expression(0)]
        elif not may_omit:
            raise Unreadable(f"{name.text} needs an array and a predicate", name.at)
        self._skip(",")
        self._expect(")")
        return nodes.Call(name.at, name.text, tuple(arguments), predicate)

    def _predicate(self) -> nodes.Node:
        self._predicates += 1
        if self._is("{"):
            node = self._block()
        else:
            node = self._expression(0)
            if self._is(";"):
                raise Unreadable("put a predicate with `;` in braces { }", self._word.at)
        self._predicates -= 1
        return node

    def _postfix(self, node: nodes.Node) -> nodes.Node:
        is_chain = False
        while self._is(".", "?.", "["):
            word = self._take()
            is_optional = word.text == "?."
            is_chain = is_chain or is_optional
            if word.text == "[" or (is_optional and self._skip("[")):
                node = self._index(node, word, is_optional)
            else:
                name = self._take()
                if name.kind != "name" and not (name.kind == "operator" and name.text.isalpha()):
                    raise Unreadable(f"a name is expected after `{word.text}`, not {name}", name.at)
                if self._is("("):
                    raise Unreadable(
                        f"there are no methods: write {name.text}(…), if it is a builtin", name.at
                    )
                node = nodes.Member(name.at, node, nodes.Constant(name.at, name.text), is_optional)
        return nodes.Chain(node.at, node) if is_chain else node

    def _index(self, base: nodes.Node, word: Token, is_optional: bool) -> nodes.Node:
        start: nodes.Node | None = None
        if not self._is(":"):
            start = self._expression(0)
        if not self._skip(":"):
            self._expect("]")
            assert start is not None
            return nodes.Member(word.at, base, start, is_optional)
        stop = None if self._is("]") else self._expression(0)
        self._expect("]")
        return nodes.Slice(word.at, base, start, stop)
