"""The Azurite entrypoint: where it listens, where it keeps what it has, what of the words it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.local.entrypoints import azurite
from tidegate.local.entrypoints.box import Box

ADDRESS = "127.96.0.9"
HOSTS = ["--blobHost", ADDRESS, "--queueHost", ADDRESS, "--tableHost", ADDRESS]


@pytest.mark.parametrize(
    ("args", "rest"),
    [
        ([], ["--disableTelemetry"]),
        (["azurite"], ["--disableTelemetry"]),
        (["azurite", "--silent", "--loose"], ["--disableTelemetry", "--silent", "--loose"]),
        (["--disableTelemetry"], ["--disableTelemetry"]),
        (
            ["azurite", "-l", "/data", "--blobHost", "0.0.0.0", "--queueHost=0.0.0.0", "--queuePort", "7"],
            ["--disableTelemetry", "--queuePort", "7"],
        ),
    ],
)
def test_it_listens_on_the_pods_address_and_keeps_its_data_there(
    tmp_path: Path, args: list[str], rest: list[str]
) -> None:
    words = azurite.prepare(Box("/bin/azurite", args, {}, tmp_path, ADDRESS))
    assert words == ["/bin/azurite", *HOSTS, "--location", str(tmp_path), *rest]
