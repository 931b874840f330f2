"""The language of `scalingModifiers.formula`: expr-lang 1.17, as far as it makes sense on numbers.

`compile_formula` turns a text into a `Formula`, or says what is wrong with it; `Formula.evaluate` gives
a number, nil or a `Failure`. On the way: `tokens` → `parse` (a tree of `nodes`) → `lowering` (names and
types, with `operators`, `builtins`, `texts`, `loops`) → closures over `values`. `budget` holds what keeps
any formula small and short. Nothing here evaluates Python.
"""

from __future__ import annotations

from tidegate.core.formula.formula import Formula, compile_formula

__all__ = ["Formula", "compile_formula"]
