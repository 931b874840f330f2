"""Paths through JSON: what GJSON 1.18 itself finds, recorded, and what a path may not be."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.kit.picking.gjson import Json, find, path_problem, read_json
from tidegate.kit.picking.pick import Unpicked

DOCUMENT = {
    "name": {"first": "Tom", "last": "Anderson"},
    "age": 37,
    "children": ["Sara", "Alex", "Jack"],
    "fav.movie": "Deer Hunter",
    "friends": [
        {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"], "done": True},
        {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"], "done": False},
        {"first": "Jane", "last": "Murphy", "age": 47, "nets": ["ig", "tw"], "done": "yes"},
        {"age": None, "done": None},
    ],
    "vals": [1, 2, 3, 10, "a", "b", None, True, False, [1, [2]], {"x": 1}],
    "n": {"1": "one", "#": 5, "a b": 2},
    "deep": [[1, 2], [3, [4, 5]], []],
    "z": None,
    "e": {},
    "el": [],
    "q": "10Mi",
}

FOUND = [
    ("name.last", "Anderson"),
    ("age", 37),
    ("children", ["Sara", "Alex", "Jack"]),
    ("children.#", 3),
    ("children.1", "Alex"),
    ("child*.2", "Jack"),
    ("c?ildren.0", "Sara"),
    ("fav\\.movie", "Deer Hunter"),
    ("friends.#.first", ["Dale", "Roger", "Jane"]),
    ("friends.1.last", "Craig"),
    ('friends.#(last=="Murphy").first', "Dale"),
    ('friends.#(last=="Murphy")#.first', ["Dale", "Jane"]),
    ("friends.#(age>45)#.last", ["Craig", "Murphy"]),
    ('friends.#(first%"D*").last', "Murphy"),
    ('friends.#(first!%"D*").last', "Craig"),
    ('friends.#(nets.#(=="fb"))#.first', ["Dale", "Roger"]),
    ('friends.#(last="Murphy").first', "Dale"),
    ("friends.#(age>=44)#.age", [44, 68, 47]),
    (
        "friends.#(age<47)#",
        [{"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"], "done": True}],
    ),
    ("friends.#(age!=44)#.first", ["Roger", "Jane"]),
    ("friends.#(done==true).first", "Dale"),
    ("friends.#(done==~true)#.first", ["Dale"]),
    ("friends.#(done==~false)#.first", ["Roger"]),
    ("friends.#(done==~null)#.first", []),
    ("friends.#(first==~*)#.age", [44, 68, 47]),
    ("friends.#(nope==~null)#.age", [44, 68, 47, None]),
    ("vals.#(>2)#", [3, 10, "a", "b"]),
    ('vals.#(=="a")', "a"),
    ("vals.#(>1)", 2),
    ('vals.#(<="a")#', ["a", False]),
    ("vals.#", 11),
    ("vals.9.1.0", 2),
    ("vals.#(x==1)#", [{"x": 1}]),
    ("vals.#(x)#", [{"x": 1}]),
    ("n.1", "one"),
    ("n.#", 5),
    ("n.a b", 2),
    ("deep.#", 3),
    ("deep.#.#", [2, 2, 0]),
    ("deep.#.0", [1, 3]),
    ("deep.@flatten", [1, 2, 3, [4, 5]]),
    ("deep.@reverse", [[], [3, [4, 5]], [1, 2]]),
    ("deep.1.1.@reverse.0", 5),
    ('friends.#(last=="Murphy")#.nets.#', [3, 2]),
    ("friends.#.nets", [["ig", "fb", "tw"], ["fb", "tw"], ["ig", "tw"]]),
    ("friends.#.nets.#", [3, 2, 2]),
    ("friends.#.nets.0", ["ig", "fb", "ig"]),
    ("friends.#.nets.@reverse", [["tw", "fb", "ig"], ["tw", "fb"], ["tw", "ig"]]),
    ('friends.#(first=="Dale").nets.#', 3),
    ("z", None),
    ("z.a", None),
    ("e", {}),
    ("el", []),
    ("el.#", 0),
    ("el.#.x", []),
    ("nothing", None),
    ("name.nothing", None),
    ("age.x", None),
    ("children.7", None),
    ("children.-1", None),
    ("children.x", None),
    (
        "@this",
        {
            "name": {"first": "Tom", "last": "Anderson"},
            "age": 37,
            "children": ["Sara", "Alex", "Jack"],
            "fav.movie": "Deer Hunter",
            "friends": [
                {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"], "done": True},
                {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"], "done": False},
                {"first": "Jane", "last": "Murphy", "age": 47, "nets": ["ig", "tw"], "done": "yes"},
                {"age": None, "done": None},
            ],
            "vals": [1, 2, 3, 10, "a", "b", None, True, False, [1, [2]], {"x": 1}],
            "n": {"1": "one", "#": 5, "a b": 2},
            "deep": [[1, 2], [3, [4, 5]], []],
            "z": None,
            "e": {},
            "el": [],
            "q": "10Mi",
        },
    ),
    ("@this.age", 37),
    ("name.@keys", ["first", "last"]),
    ("name.@values", ["Tom", "Anderson"]),
    ("@keys", ["name", "age", "children", "fav.movie", "friends", "vals", "n", "deep", "z", "e", "el", "q"]),
    ("children.@reverse", ["Jack", "Alex", "Sara"]),
    ("children.@reverse.0", "Jack"),
    ("friends.@this.0.first", "Dale"),
    ('friends.#[last=="Murphy"].first', "Dale"),
    ('friends.#( last == "Murphy" ).first', "Dale"),
    ("friends.#(last=='Murphy').first", None),
    ("friends.#(last==Murphy).first", "Dale"),
    ('friends.#(age=="44").first', "Dale"),
    ("friends.#(age>abc)#.age", [44, 68, 47]),
    ("friends.#()#", []),
    ("friends.#()", None),
    ('children.#(!="Sara")#', ["Alex", "Jack"]),
    ('children.#(%"*a*")#', ["Sara", "Jack"]),
    ('children.#(>"B")#', ["Sara", "Jack"]),
    ("#", None),
    ("0", None),
    ('friends.#(nets.1=="tw")#.first', ["Roger", "Jane"]),
    ("friends.#(nets.#>2)#.first", ["Dale"]),
    ("friends.#(nets.#==2)#.first", ["Roger", "Jane"]),
    ("q", "10Mi"),
    ("friends.00.first", "Dale"),
    ("friends.1e0", None),
    ('friends.#(last=="Mur\\"phy").first', None),
    ("n.\\#", 5),
    ("*", {"first": "Tom", "last": "Anderson"}),
    ("na*.f*", "Tom"),
    ("friends.*.first", None),
    ("el.@reverse", []),
    ("el.@flatten", []),
    ("age.@reverse", 37),
    ("friends.#(done)#.first", ["Dale", "Roger", "Jane"]),
    ("friends.#(age==null)#", []),
    ("vals.#(==null)#", []),
    ("vals.#(==true)#", [True]),
    ("vals.#(>=false)#", [1, 2, 3, 10, True]),
    ("friends.#(age>45)#|#", 2),
    (
        "friends.#(age>45)#|0",
        {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"], "done": False},
    ),
    ("friends.#(age>45)#|0.last", "Craig"),
    ("friends.#.first|0", "Dale"),
    ("friends.#.first|#", 3),
    ("friends.#(age>45)#.last|0", "Craig"),
    ("friends.#(age>45)#.last|#", 2),
    ("children|0", "Sara"),
    ("children|@reverse|0", "Jack"),
    ("friends|0|first", "Dale"),
    ("friends|#", 4),
    ("name|first", "Tom"),
    ('friends.#(last=="Murphy")|first', "Dale"),
    ('friends.#(last=="No")|first', None),
    ('friends.#(last=="No")#|#', 0),
    ("nothing|x", None),
    ("z|x", None),
    ("@this|age", 37),
    ('friends.#(last=="a|b").x', None),
]


@pytest.mark.parametrize(("path", "value"), FOUND)
def test_a_path_finds_what_gjson_finds(path: str, value: Any) -> None:
    assert find(DOCUMENT, path) == value
    assert path_problem(path) == ""


def test_what_fits_nowhere_is_counted_as_none() -> None:
    """GJSON forgets the rest of the path here and finds an empty list."""
    assert find(DOCUMENT, 'friends.#(last=="No")#.first|#') == 0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("[a,b]", "multipath"),
        ("a.{b,c}", "multipath"),
        ('a|!"b"', "literal"),
        ("..#.a", "JSON lines"),
        ("@nonsense", "the modifier @nonsense, which is not supported"),
        ("a.@pretty", "the modifier @pretty"),
        ('a|@flatten:{"deep":true}', "@flatten, which is not supported with arguments"),
        ("a.#(b", "a query without its end"),
        ("#(" * 20 + "a" + ")" * 20, "a query without its end"),
        ("a." * 400, "longer than 500"),
    ],
)
def test_a_path_that_finds_nothing_anywhere_is_told(path: str, message: str) -> None:
    assert message in path_problem(path)
    assert find({"a": 1}, path) is None


@pytest.mark.parametrize(
    "path", ["a.b", "@this", "a.#(b==1)#.c|#", 'a.#(b=="[x]").c', "a\\.{b", 'a.#(b=="!")']
)
def test_other_paths_are_not_complained_about(path: str) -> None:
    assert path_problem(path) == ""


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"n": 1}', 1),
        (b'{"n": 1.5}', 1.5),
        (b'{"n": -0.0}', 0.0),
        (b'{"n": 18446744073709551616}', 18446744073709551616),
        (b'{"n": 1' + b"0" * 30 + b"}", 10**30),
        (b'{"n": "1e3"}', "1e3"),
        (b'{"n": null}', None),
        (b"{}", None),
    ],
)
def test_numbers_and_texts_come_out_as_they_are(body: bytes, value: Any) -> None:
    assert Json("n").of(Json.read(body)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"n": 1',
        b'{"n": 1}}',
        b'{"n": NaN}',
        b'{"n": 1e400}',
        b"<html>",
        b"\xff",
        b'{"n": "\xff"}',
        b"[" * 65 + b"]" * 65,
        b"[" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'["' + b"[" * 1000,
    ],
)
def test_what_is_no_document_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Unpicked) as caught:
        read_json(body)
    assert "html" not in str(caught.value)


def test_brackets_in_texts_do_not_nest() -> None:
    assert read_json(b'["' + b"[" * 1000 + b'\\"[", [' + b"]]".replace(b"]]", b"]") + b"]")[1] == []
    assert len(read_json(b"[" + b"[]," * 1000 + b"[]]")) == 1001
