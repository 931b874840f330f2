"""Manifest files as objects, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.manifests.files import load, read

HEAD = "apiVersion: v1\nkind: ConfigMap\n"


def loaded(folder: Path, text: str, name: str = "a.yaml") -> list[tuple[dict[str, object], str]]:
    path = folder / name
    path.write_text(text)
    return [(one.body, one.place.removeprefix(f"{folder}/")) for one in load((str(path),))]


def test_documents_know_their_lines(tmp_path: Path) -> None:
    text = f"# a comment\n{HEAD}---\n---\n# empty, then:\n\n{HEAD}data: {{}}\n"
    assert [place for _, place in loaded(tmp_path, text)] == ["a.yaml:2", "a.yaml:8"]


def test_lists_are_unfolded_and_json_is_read(tmp_path: Path) -> None:
    text = (
        '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"},'
        ' {"apiVersion": "v1", "kind": "PodList", "items": [{"apiVersion": "v1", "kind": "Secret"}]}]}'
    )
    assert [body["kind"] for body, _ in loaded(tmp_path, text, "a.json")] == ["Pod", "Secret"]


def test_a_link_of_a_folder_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "gone")
    (tmp_path / "c.yaml").symlink_to(tmp_path / "a.yaml")
    found = read((str(tmp_path),))
    assert [one.body["metadata"]["name"] for one in found.documents] == ["a", "a"]
    assert [str(one) for one in found.wrong] == [f"{tmp_path}/b.yaml: no such file or directory"]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", "d.txt", "e.yaml.bak"):
        (tmp_path / name).write_text(f"{{apiVersion: v1, kind: {name[0].upper()}}}")
    assert [one.body["kind"] for one in load((str(tmp_path),))] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2026-01-31", "2026-01-31"),
        ("1:30", "1:30"),
        ("12:30:45.5", "12:30:45.5"),
        ("1e3", 1000),
        ("5.0", 5),
        ("1.5", 1.5),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("99999999999999999999", 1e20),
        ("yes", True),
        ("y", True),
        ("N", False),
        ("'n'", "n"),
        ("!!str 5", "5"),
        ("", None),
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
        ("=", "="),
        ("'5'", "5"),
        ("5", 5),
        ("true", True),
        ("~", None),
    ],
)
def test_values_are_what_was_written(tmp_path: Path, written: str, value: object) -> None:
    ((body, _),) = loaded(tmp_path, f"{HEAD}data: {{x: {written}}}")
    assert body["data"] == {"x": value}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{HEAD}data: {{a: 1, a: 2}}", 'the key "a" stands here twice'),
        (f"{HEAD}data: [", r"a.yaml:3:8: did not find expected node content; a value or a closing bracket"),
        (f"{HEAD}data: {{a: [1}}", r"a.yaml:3:13: .*; close the bracket that is opened at line 3, column 11"),
        (f"{HEAD}data:\n\ta: 1", "a.yaml:4:1: .*; indent with blanks, YAML allows no tabs there"),
        (f"{HEAD}data:\n  a: b: c", "a.yaml:4:7: mapping values .*; a text with a colon needs quotes"),
        (f"{HEAD}data:\n  a: 1\n b: 2", "a.yaml:5:2: .*; compare the indentation with the lines"),
        (f"{HEAD}data: {{a: @b}}", "a.yaml:3:11: .*; put the text in quotes"),
        (f"{HEAD}data: {{a: 'b}}", "a.yaml:.*; close the quotes that are opened at line 3, column 11"),
        (f"{HEAD}data: {{a: *b}}", r"a.yaml:3:11: found undefined alias; put a text that begins with \*"),
        (f"{HEAD}{{{{- if .Values.x }}}}\ndata: {{}}", "a.yaml:4:1: .*template: render it first"),
        (f"{HEAD}data: {{{{ .Values.x }}}}", "a.yaml:3:8: .*template.*, render it first"),
        (f"{HEAD}data: {{a: .nan}}", "a.yaml:3:11: JSON has no number such as .nan"),
        (f"{HEAD}data: {{a: !!int x}}", "a.yaml:3:11: this is no int; write it in quotes"),
        (f"{HEAD}data: {{a: !!bool x}}", "a.yaml:3:11: this is no bool"),
        (f"{HEAD}data: {{a: {'9' * 5000}}}", "a.yaml:3:11: the number is too large"),
        (f"{HEAD}data: {{a: !!binary aGk=}}", "a.yaml:3:11: the tag !!binary has no meaning"),
        (f"{HEAD}data: {{a: !!set {{x}}}}", "a.yaml:3:11: the tag !!set has no meaning"),
        (f"{HEAD}data: {{[a]: 1}}", "a.yaml:3:8: a key is a text"),
        (f"{HEAD}data: {{null: 1}}", "a.yaml:3:8: a key may not be null"),
        (f"{HEAD}data: {{1: a, '1': b}}", 'a.yaml:3:14: the key "1" stands here twice'),
        (f"{HEAD}data: {{<<: 1}}", "a.yaml:3:12: << merges mappings"),
        (f"{HEAD}data: &a {{b: *a}}", "a.yaml:3:14: .a contains itself"),
        (f"{HEAD}data: {'[' * 100}", "a.yaml:3:106: it nests deeper than 100 levels"),
        (f"{HEAD}data: {'[' * 1_000_000}", "a.yaml:3:106: it nests deeper than 100 levels"),
        (f"{HEAD}data: 'a\x00b'", r"a.yaml:3:9: the character U\+0000 may not stand in YAML"),
        (f"{HEAD}metadata: web", "a.yaml:1: metadata of ConfigMap is no mapping"),
        ("apiVersion: v1\nkind: List\nitems:\n- 5", "a.yaml:4: this value is not an object"),
        ("apiVersion: v1\nkind: List\nitems:\n- null", "a.yaml:4: this null is not an object"),
        ("just a text", "this text is not an object"),
        ("kind: Pod", "has no apiVersion"),
        ("{}", "has no apiVersion and no kind"),
        (
            f"{HEAD}data: !!python/object:os.system {{}}",
            "a.yaml:3:7: the tag !!python/object:os.system has no meaning",
        ),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        loaded(tmp_path, text)


def test_all_files_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("[")
    (tmp_path / "b.yaml").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Misconfigured) as refused:
        load((str(tmp_path), str(tmp_path / "missing.yaml"), str(tmp_path / "empty")))
    assert all(name in str(refused.value) for name in ("a.yaml", "b.yaml", "missing.yaml", "empty"))


def test_aliases_are_values_of_their_own_and_merge_keys_give_way(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: &k ConfigMap\nmetadata: {labels: &l {app: a, tier: b}}\n"
        "data:\n  <<: [{tier: c, x: z}, *l]\n  app: *k\n"
    )
    ((body, _),) = loaded(tmp_path, text)
    assert body["data"] == {"tier": "c", "app": "ConfigMap", "x": "z"}
    ((body, _),) = loaded(tmp_path, f"{HEAD}a: &a {{b: [1]}}\nc: *a\n")
    assert body["a"] == body["c"]
    assert body["a"] is not body["c"]


def test_anchors_may_not_stand_for_a_flood(tmp_path: Path) -> None:
    layers = [f"k{at}: &k{at} [{', '.join([f'*k{at - 1}'] * 10)}]" for at in range(1, 30)]
    text = "\n".join([f"{HEAD}k0: &k0 [x]", *layers])
    with pytest.raises(Misconfigured, match=r"a.yaml:8:\d+: its anchors stand for more than 100000 values"):
        loaded(tmp_path, text)


def test_keys_are_texts(tmp_path: Path) -> None:
    ((body, _),) = loaded(
        tmp_path, f"{HEAD}data: {{1: a, true: b, 1.5: c, on: d, 'null': e}}".replace("on: d, ", "")
    )
    assert body["data"] == {"1": "a", "true": "b", "1.5": "c", "null": "e"}


def test_a_json_file_may_escape_what_it_likes(tmp_path: Path) -> None:
    text = r'{"apiVersion": "v1", "kind": "A", "x": "\ud83d\udca9 \\ud83d \u00e9 \/"}'
    ((body, _),) = loaded(tmp_path, text, "a.json")
    assert body["x"] == "\N{PILE OF POO} \\ud83d é /"


def test_a_mark_at_the_beginning_and_blank_files_are_no_harm(tmp_path: Path) -> None:
    (tmp_path / "blank.yaml").write_text("# nothing\n---\n")
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert [one.body["kind"] for one in load((str(tmp_path),))] == ["ConfigMap"]
    with pytest.raises(Misconfigured, match=r"blank.yaml: there is no object in it"):
        load((str(tmp_path / "blank.yaml"),))


@pytest.mark.parametrize(
    ("folders", "files", "complaint"),
    [
        ((), (), r"no file in it ends with .yaml, .yml, .json;"),
        (("b", "a"), ("x.txt",), r"its folders are not looked into: name them \(a, b\)"),
    ],
)
def test_a_folder_without_manifests_says_so(
    tmp_path: Path, folders: tuple[str, ...], files: tuple[str, ...], complaint: str
) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(Misconfigured, match=complaint):
        load((str(tmp_path),))


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(Misconfigured, match=r"a.yaml: it is not UTF-8 \(byte 0\); save it as UTF-8"):
        load((str(tmp_path),))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("metadata.labels.app.kubernetes.io/name", 4),
        ("metadata.labels.app", 5),
        ("items[1].a[0]", 9),
        ("items[7].a", 6),
        ("items[1].z.y", 8),
        ("items[99999999999999999999]", 6),
        ("nowhere", 1),
        ("", 1),
    ],
)
def test_a_field_is_found_by_its_path(tmp_path: Path, path: str, line: int) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        f"{HEAD}metadata:\n  labels: {{app.kubernetes.io/name: x,\n    app: y}}\nitems:\n- 1\n- a:\n  - 2\n"
    )
    [document] = load((str(file),))
    assert document.place_of(path) == f"{file}:{line}"


def test_all_keys_that_stand_twice_are_told_and_the_rest_is_read(tmp_path: Path) -> None:
    text = f"{HEAD}data: {{a: 1, a: 2, b: {{c: 1, c: 2}}}}\nkind: x\n---\n{HEAD}data: !x y\n---\n{HEAD}"
    (tmp_path / "a.yaml").write_text(text)
    found = read((str(tmp_path / "a.yaml"),))
    assert [str(one).removeprefix(f"{tmp_path}/") for one in found.wrong] == [
        'a.yaml:3:14: the key "a" stands here twice, first in line 3; remove one of them',
        'a.yaml:3:30: the key "c" stands here twice, first in line 3; remove one of them',
        'a.yaml:4:1: the key "kind" stands here twice, first in line 2; remove one of them',
        "a.yaml:8:7: the tag !x has no meaning in a manifest; leave it out",
    ]
    assert [one.body.get("data") for one in found.documents] == [{"a": 1, "b": {"c": 1}}, None]
