"""The Prometheus entrypoint: its words, and whose configuration is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.local.entrypoints import prometheus
from tidegate.local.entrypoints.box import Box
from tidegate.local.entrypoints.mounts import is_mounted

CONFIGURATION = "/etc/prometheus/prometheus.yml"


def words(folder: Path, *args: str) -> list[str]:
    return prometheus.prepare(Box("/usr/bin/prometheus", [*args], {}, folder, "127.96.0.9"))


def test_without_words_it_scrapes_itself_on_the_pods_address(tmp_path: Path) -> None:
    assert words(tmp_path) == [
        "/usr/bin/prometheus",
        "--web.listen-address=127.96.0.9:9090",
        f"--storage.tsdb.path={tmp_path}",
        f"--config.file={tmp_path}/tidegate/prometheus.yml",
    ]
    assert '["127.96.0.9:9090"]' in (tmp_path / "tidegate" / "prometheus.yml").read_text()


@pytest.mark.parametrize("host", ["", "0.0.0.0", "[::]"])
def test_words_of_the_container_come_first_and_their_addresses_are_the_pods(
    tmp_path: Path, host: str
) -> None:
    given = ["--config.file=/my.yml", f"--web.listen-address={host}:80", "--storage.tsdb.path=/d", "--x"]
    expected = ["/usr/bin/prometheus", *given]
    expected[2] = "--web.listen-address=127.96.0.9:80"
    assert words(tmp_path, *given) == expected


@pytest.mark.parametrize(
    ("root", "place", "is_there"),
    [
        ("/srv/pods/7/.volumes/c", "/etc/prometheus", True),
        ("/srv/pods/7/.volumes/c/prometheus.yml", CONFIGURATION, True),
        # The machine's own folder, bound to its place in the pod's tree.
        ("/etc/prometheus", "/etc/prometheus", False),
        ("/srv", "/etc", False),
    ],
)
def test_a_configuration_is_read_where_a_volume_brings_it(root: str, place: str, is_there: bool) -> None:
    line = f"36 35 98:0 {root} {place} rw,noatime master:1 - ext4 /dev/root rw\n"
    assert is_mounted(CONFIGURATION, line) == is_there
