"""The image of deploy/Dockerfile, built and run by buildah without a registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.images import Builder
from tidegate import __version__

ROOT = Path(__file__).parents[2]
NAME = "localhost/tidegate"
LIMIT_MB = 150

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("buildah")]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image's lock names, fetched as this machine fetches packages."""
    folder = tmp_path_factory.mktemp("wheels")
    lock = ["--require-hashes", "-r", str(ROOT / "requirements" / "image.txt")]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(folder)]
    run = subprocess.run([*pip, *lock], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def builder(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    with Builder(tmp_path_factory.mktemp("images")) as made:
        made.build(ROOT, "deploy/Dockerfile", NAME, wheels, made.base())
        yield made


def test_the_image_runs_the_programs(builder: Builder) -> None:
    assert __version__ in builder.run(NAME, "version")
    assert "--leader-elect" in builder.run(NAME, "operator", "--help")


def test_the_image_names_an_unprivileged_user_by_number(builder: Builder) -> None:
    assert builder.config(NAME)["User"] == "65532:65532"


def test_all_extras_are_in_the_image(builder: Builder) -> None:
    container = builder("from", "--pull-never", NAME).strip()
    modules = "botocore, grpc, google.auth, aiokafka, pymongo, aiomysql, psycopg, redis, opentelemetry.sdk"
    words = ("/opt/tidegate/bin/python", "-c", f"import {modules}, os; print(os.getuid())")
    assert builder("run", "--isolation", "chroot", container, "--", *words).strip() == "65532"
    builder("rm", container)


def test_our_layers_are_small(builder: Builder) -> None:
    base, *ours = builder.layer_sizes(NAME)
    assert base
    assert sum(ours) < LIMIT_MB * 1e6, f"{sum(ours) / 1e6:.0f} MB"
    assert sum(ours) > 1e6
