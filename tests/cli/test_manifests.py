"""Manifest files as objects, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.manifests import load

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


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.json", "d.txt", "e.yaml.bak"):
        (tmp_path / name).write_text(f"{{apiVersion: v1, kind: {name[0].upper()}}}")
    assert [one.body["kind"] for one in load((str(tmp_path),))] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2026-01-31", "2026-01-31"),
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
        (f"{HEAD}data: [", "a.yaml"),
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
