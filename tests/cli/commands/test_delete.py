"""`tidegate delete` against the embedded API."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import yaml

from tidegate.kube.client import Client
from tidegate.kube.resource import CONFIG_MAPS


def settings(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}}


def put(cli, *bodies: dict[str, Any]) -> None:
    async def create(client: Client) -> None:
        for body in bodies:
            await client.create(CONFIG_MAPS, "default", body)

    cli.client(create)


def names(cli) -> list[str]:
    listing = cli.client(lambda client: client.list(CONFIG_MAPS, "default"))
    return [item["metadata"]["name"] for item in listing.items]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("cm", "a", "c"), ["b"]),
        (("cm/b",), ["a", "c"]),
        (("cm", "-l", "x=1"), ["b"]),
        (("cm", "--all"), []),
    ],
)
def test_what_is_named_goes_and_the_rest_stays(cli, words: tuple[str, ...], left: list[str]) -> None:
    put(cli, settings("a", labels={"x": "1"}), settings("b"), settings("c", labels={"x": "1"}))
    gone = [name for name in ("a", "b", "c") if name not in left]
    assert cli.lines("delete", *words) == [f'configmap "{name}" deleted' for name in gone]
    assert names(cli) == left


def test_files_name_what_goes(cli) -> None:
    file = cli.file(yaml.safe_dump_all([settings("a"), settings("b")]))
    put(cli, settings("a"), settings("b"), settings("c"))
    cli("delete", "-f", file)
    assert names(cli) == ["c"]
    result = cli("delete", "-f", file, code=1)
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [f"{file}:1", f"{file}:6"]
    assert cli("delete", "-f", file, "--ignore-not-found").output == ""


def test_what_is_missing_does_not_spare_the_others(cli) -> None:
    put(cli, settings("b"))
    assert 'configmaps "a" not found' in cli("delete", "cm", "a", "b", code=1).stderr
    assert names(cli) == []


def test_it_waits_for_finalizers(cli) -> None:
    put(cli, settings("a", finalizers=["example.com/hold"]))
    result = cli("delete", "cm/a", "--timeout", "100ms", code=1)
    assert "it is still there after 0.1 s" in result.stderr
    assert cli("delete", "cm/a", "--wait=false").stdout == 'configmap "a" deleted\n'
    assert names(cli) == ["a"]
    free: dict[str, Any] = {"metadata": {"finalizers": None}}
    freeing = threading.Timer(
        2, lambda: cli.client(lambda client: client.patch(CONFIG_MAPS, "default", "a", free))
    )
    freeing.start()
    cli("delete", "cm/a")
    freeing.join()
    assert names(cli) == []


@pytest.mark.parametrize(
    "words",
    [
        ("delete", "cm"),
        ("delete",),
        ("delete", "cm/a", "--all"),
        ("delete", "cm", "a", "-l", "x=1"),
        ("delete", "cm", "a", "-A"),
    ],
)
def test_too_much_or_too_little_is_refused_and_nothing_goes(cli, words: tuple[str, ...]) -> None:
    put(cli, settings("a"))
    result = cli(*words, code=1)
    assert result.stderr.count("\n") == 1
    assert names(cli) == ["a"]
