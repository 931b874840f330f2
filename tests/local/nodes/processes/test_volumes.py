from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.local.nodes.processes.environment import Refers
from tidegate.local.nodes.processes.volumes import Unmountable, Volumes, binds, read_only, write_files

CONFIG_MAPS = {"cfg": {"data": {"a.conf": "A", "b.conf": "B"}}}
SECRETS = {"sec": {"data": {"key": base64.b64encode(b"\x00raw").decode()}}}
REFERS = Refers(CONFIG_MAPS.get, SECRETS.get)


def prepare(folder: Path, *volumes: dict[str, Any]) -> dict[str, Path]:
    pod = {
        "metadata": {"name": "p", "labels": {"app": "x"}},
        "spec": {"volumes": list(volumes), "containers": [{"name": "c"}]},
    }
    by_hand = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}}
    elsewhere = {"capacity": {"storage": "1Gi"}, "nfs": {"server": "x", "path": "/"}}
    claims: dict[str, Any] = {"claim": "claim-uid", "by-hand": by_hand, "nfs": elsewhere}
    return Volumes(folder / "pod", folder / "claims", claims.get).prepare(pod, REFERS)


def content(folder: Path) -> dict[str, bytes]:
    """What a program finds there, but for names that begin with two dots."""
    found = {}
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith("..")]
        found |= {str((Path(place) / name).relative_to(folder)): (Path(place) / name) for name in files}
    return {name: file.read_bytes() for name, file in found.items()}


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


def test_a_claim_is_the_folder_of_the_volume_that_somebody_made(tmp_path: Path) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "by-hand"}}
    assert prepare(tmp_path, volume)["v"] == tmp_path


@pytest.mark.parametrize("kind", ["", "CharDevice"])
def test_a_path_of_the_machine_that_is_of_its_kind_is_mounted(tmp_path: Path, kind: str) -> None:
    volume = {"name": "v", "hostPath": {"path": "/dev/null", "type": kind}}
    assert prepare(tmp_path, volume)["v"] == Path("/dev/null")


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
        ({"hostPath": {"path": "/dev/null", "type": "File"}}, "/dev/null is not a file"),
        ({"hostPath": {"path": "/dev/null", "type": "Socket"}}, "/dev/null is not a socket"),
        ({"hostPath": {"path": "/dev/null", "type": "BlockDevice"}}, "/dev/null is not a block device"),
        ({"hostPath": {"path": "/dev/null/x", "type": "DirectoryOrCreate"}}, "/dev/null/x cannot be made"),
        ({"persistentVolumeClaim": {"claimName": "nfs"}}, r'claim "nfs" is of a kind .* \(nfs\)'),
        ({"nfs": {"server": "x", "path": "/"}}, "nfs volumes are not offered"),
    ],
)
def test_a_volume_that_cannot_be_had_is_named(tmp_path: Path, volume: dict[str, Any], told: str) -> None:
    with pytest.raises(Unmountable, match=told):
        prepare(tmp_path, {"name": "v", **volume})


def test_all_files_change_at_once_and_none_without_need(tmp_path: Path) -> None:
    write_files(tmp_path, {"same": (b"1", 0o644), "d/old": (b"2", 0o644), "gone": (b"3", 0o644)})
    before = os.readlink(tmp_path / "..data")
    write_files(tmp_path, {"same": (b"1", 0o644), "d/old": (b"2", 0o644), "gone": (b"3", 0o644)})
    assert os.readlink(tmp_path / "..data") == before
    assert os.readlink(tmp_path / "same") == "..data/same"
    write_files(tmp_path, {"same": (b"1", 0o644), "d/old": (b"new", 0o600), "more": (b"4", 0o644)})
    assert content(tmp_path) == {"same": b"1", "d/old": b"new", "more": b"4"}
    now = os.readlink(tmp_path / "..data")
    assert now != before
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(("..data", now, "d", "more", "same"))


class Killed(BaseException):
    """The server ends here."""


@pytest.mark.parametrize("step", range(12))
def test_a_server_killed_at_any_step_leaves_the_old_files_or_the_new(tmp_path: Path, step: int) -> None:
    old = {"a": (b"1", 0o644), "b": (b"1", 0o644)}
    new = {"a": (b"2", 0o644), "b": (b"2", 0o644), "c": (b"2", 0o644)}
    write_files(tmp_path, old)
    left = step

    def count(event: str, arguments: object) -> None:
        nonlocal left
        if is_watched and event in ("open", "os.rename", "os.symlink", "os.remove", "os.mkdir", "os.chmod"):
            left -= 1
            if left < 0:
                raise Killed

    is_watched = True
    sys.addaudithook(count)
    try:
        write_files(tmp_path, new)
    except Killed:
        pass
    finally:
        is_watched = False
    found = {name: (tmp_path / name).read_bytes() for name in ("a", "b")}
    assert found in ({"a": b"1", "b": b"1"}, {"a": b"2", "b": b"2"})
    write_files(tmp_path, new)
    assert content(tmp_path) == {"a": b"2", "b": b"2", "c": b"2"}
    assert len(list(tmp_path.iterdir())) == 5


def test_files_of_an_older_version_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("old")
    (tmp_path / "a").write_text("old")
    write_files(tmp_path, {"a": (b"1", 0o644), "d/x": (b"1", 0o644)})
    assert content(tmp_path) == {"a": b"1", "d/x": b"1"}


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


def test_a_claim_that_is_mounted_for_reading_is_written_by_nobody(tmp_path: Path) -> None:
    volumes = [
        {"name": "v", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {"name": "w", "persistentVolumeClaim": {"claimName": "d"}},
        {"name": "x", "emptyDir": {}},
    ]
    closed = read_only({"spec": {"volumes": volumes}})
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in "vwx"]
    found = binds({"volumeMounts": mounts}, dict.fromkeys("vwx", tmp_path), {}, closed)
    assert [one.is_read_only for one in found] == [True, False, False]


@pytest.mark.parametrize("below", ["../other", "link/x", "/etc"])
def test_a_part_never_leaves_its_volume(tmp_path: Path, below: str) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "link").symlink_to("/etc")
    with pytest.raises(Unmountable, match="leaves its volume"):
        binds(
            {"volumeMounts": [{"name": "v", "mountPath": "/m", "subPath": below}]}, {"v": tmp_path / "v"}, {}
        )
