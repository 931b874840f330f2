from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tidegate.local.nodes.processes.environment import Refers
from tidegate.local.nodes.processes.volumes import Unmountable, Volumes, binds, write_files

CONFIG_MAPS = {"cfg": {"data": {"a.conf": "A", "b.conf": "B"}}}
SECRETS = {"sec": {"data": {"key": base64.b64encode(b"\x00raw").decode()}}}
REFERS = Refers(CONFIG_MAPS.get, SECRETS.get)


def prepare(folder: Path, *volumes: dict[str, Any]) -> dict[str, Path]:
    pod = {
        "metadata": {"name": "p", "labels": {"app": "x"}},
        "spec": {"volumes": list(volumes), "containers": [{"name": "c"}]},
    }
    claims = {"claim": "claim-uid"}
    return Volumes(folder / "pod", folder / "claims", claims.get).prepare(pod, REFERS)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "cfg"}}, {"a.conf": b"A", "b.conf": b"B"}),
        ({"configMap": {"name": "cfg", "items": [{"key": "a.conf", "path": "d/x"}]}}, {"d/x": b"A"}),
        ({"configMap": {"name": "gone", "optional": True}}, {}),
        ({"secret": {"secretName": "sec"}}, {"key": b"\x00raw"}),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": b'app="x"'},
        ),
        (
            {"projected": {"sources": [{"configMap": {"name": "cfg"}}, {"secret": {"name": "sec"}}]}},
            {"a.conf": b"A", "b.conf": b"B", "key": b"\x00raw"},
        ),
        ({"emptyDir": {}}, {}),
        ({}, {}),
    ],
)
def test_a_volume_holds_what_it_is_declared_with(
    tmp_path: Path, volume: dict[str, Any], expected: dict[str, bytes]
) -> None:
    place = prepare(tmp_path, {"name": "v", **volume})["v"]
    assert place == tmp_path / "pod" / "v"
    assert content(place) == expected


def test_modes_are_those_of_the_volume_or_the_item(tmp_path: Path) -> None:
    items = [{"key": "a.conf", "path": "a", "mode": 0o755}, {"key": "b.conf", "path": "b"}]
    volume = {"name": "v", "configMap": {"name": "cfg", "items": items, "defaultMode": 0o400}}
    place = prepare(tmp_path, volume)["v"]
    assert [(place / name).stat().st_mode & 0o777 for name in ("a", "b")] == [0o755, 0o400]


def test_a_claim_is_a_directory_by_its_uid_that_keeps_what_is_in_it(tmp_path: Path) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}
    place = prepare(tmp_path, volume)["v"]
    (place / "kept").write_text("x")
    assert prepare(tmp_path, volume)["v"] == place == tmp_path / "claims" / "claim-uid"
    assert content(place) == {"kept": b"x"}


@pytest.mark.parametrize(
    ("volume", "told"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        ({"configMap": {"name": "cfg", "items": [{"key": "z", "path": "z"}]}}, "has no key z"),
        ({"configMap": {"name": "cfg", "items": [{"key": "a.conf", "path": "../z"}]}}, "leaves its volume"),
        ({"persistentVolumeClaim": {"claimName": "gone"}}, 'persistentvolumeclaim "gone" not found'),
        ({"hostPath": {"path": "/no/such/place"}}, "/no/such/place: no such file"),
        ({"hostPath": {"path": "/dev/null", "type": "Directory"}}, "/dev/null is not a directory"),
        ({"nfs": {"server": "x", "path": "/"}}, "nfs volumes are not offered"),
    ],
)
def test_a_volume_that_cannot_be_had_is_named(tmp_path: Path, volume: dict[str, Any], told: str) -> None:
    with pytest.raises(Unmountable, match=told):
        prepare(tmp_path, {"name": "v", **volume})


def test_a_directory_is_brought_up_to_date_without_touching_what_is_the_same(tmp_path: Path) -> None:
    write_files(tmp_path, {"same": (b"1", 0o644), "old": (b"2", 0o644), "gone": (b"3", 0o644)})
    before = (tmp_path / "same").stat().st_ino
    write_files(tmp_path, {"same": (b"1", 0o644), "old": (b"new", 0o644)})
    assert content(tmp_path) == {"same": b"1", "old": b"new"}
    assert (tmp_path / "same").stat().st_ino == before


def test_mounts_name_a_volume_and_may_take_a_part_of_it(tmp_path: Path) -> None:
    mounts = [
        {"name": "v", "mountPath": "/whole", "readOnly": True},
        {"name": "v", "mountPath": "relative", "subPath": "part"},
        {"name": "v", "mountPath": "/own", "subPathExpr": "$(HOSTNAME)"},
    ]
    found = binds({"volumeMounts": mounts}, {"v": tmp_path}, {"HOSTNAME": "h"})
    assert [(one.source, one.target, one.is_read_only) for one in found] == [
        (str(tmp_path), "/whole", True),
        (str(tmp_path / "part"), "/relative", False),
        (str(tmp_path / "h"), "/own", False),
    ]
    assert (tmp_path / "part").is_dir()


@pytest.mark.parametrize("below", ["../other", "link/x", "/etc"])
def test_a_part_never_leaves_its_volume(tmp_path: Path, below: str) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "link").symlink_to("/etc")
    with pytest.raises(Unmountable, match="leaves its volume"):
        binds(
            {"volumeMounts": [{"name": "v", "mountPath": "/m", "subPath": below}]}, {"v": tmp_path / "v"}, {}
        )
