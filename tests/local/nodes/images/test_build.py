"""Images made from Dockerfiles: what is copied and installed, and that a pod runs it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from parts.machine import Machine, own_objects, until
from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.images.build import build, entry, own_folder
from tidegate.local.nodes.images.dockerfile import read
from tidegate.local.nodes.images.machine_python import cache_of, find_python
from tidegate.local.nodes.images.program import ImageMap
from tidegate.local.nodes.images.table import Entry, built_in, parse, row_text

PYTHON = find_python({"PATH": "/usr/bin:/bin"}, cache_of(os.environ)).program


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    (place / "static").mkdir(parents=True)
    (place / "main.py").write_text("import acme_tool; print(acme_tool.WORD)")
    (place / "static" / "a.txt").write_text("a")
    (place / "static" / "b.log").write_text("b")
    (place / ".dockerignore").write_text("# comment\n**/*.log\n.dockerignore\nDocker*\n!static/kept.log\n")
    wheel = place / "acme_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("acme_tool.py", "WORD = 'installed'\ndef main(): print('script')\n")
        inside = "acme_tool-1.0.dist-info"
        file.writestr(f"{inside}/METADATA", "Metadata-Version: 2.1\nName: acme-tool\nVersion: 1.0\n")
        file.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{inside}/entry_points.txt", "[console_scripts]\nacme-tool = acme_tool:main\n")
        file.writestr(f"{inside}/RECORD", "")
    return place


def made(context: Path, folder: Path, *lines: str, base: Entry | None = None) -> Entry:
    recipe = read("\n".join(["FROM python:3.12", *lines]), "Dockerfile")
    files = build(recipe, context, folder, PYTHON, lambda _: None)
    return entry("acme/worker", recipe, base, files)


def test_files_come_to_their_places_without_what_is_ignored(context: Path, tmp_path: Path) -> None:
    (context / "static" / "kept.log").write_text("kept")
    row = made(context, tmp_path / "image", "WORKDIR /acme-srv", "COPY main.py /etc/acme-main", "COPY . .",
               "COPY static /acme-static", "COPY static/* /acme-flat/", 'CMD ["x"]')  # fmt: skip
    assert [one.target for one in row.files] == ["/acme-flat", "/acme-srv", "/acme-static", "/etc/acme-main"]
    names = {
        str(one.relative_to(tmp_path / "image")) for one in (tmp_path / "image").rglob("*") if one.is_file()
    }
    assert names == {
        "etc/acme-main", "acme-srv/main.py", "acme-srv/static/a.txt", "acme-srv/static/kept.log",
        "acme-srv/acme_tool-1.0-py3-none-any.whl", "acme-static/a.txt", "acme-static/kept.log",
        "acme-flat/a.txt", "acme-flat/kept.log",
    }  # fmt: skip
    assert row.working_dir == "/acme-srv"


def test_a_source_that_is_not_there_is_told_and_what_was_made_before_stays(
    context: Path, tmp_path: Path
) -> None:
    made(context, tmp_path / "image", "COPY main.py /acme/", 'CMD ["x"]')
    with pytest.raises(Misconfigured, match=r"line 2.*there is no .*nothing\.py"):
        made(context, tmp_path / "image", "COPY nothing.py /acme/", 'CMD ["x"]')
    assert (tmp_path / "image" / "acme" / "main.py").exists()


def test_folders_are_made_and_files_made_runnable(context: Path, tmp_path: Path) -> None:
    lines = ["WORKDIR /acme", "COPY main.py .", "RUN mkdir -p /acme-logs/a && chmod +x main.py", 'CMD ["x"]']
    made(context, tmp_path / "image", *lines)
    assert (tmp_path / "image" / "acme-logs" / "a").is_dir()
    assert os.access(tmp_path / "image" / "acme" / "main.py", os.X_OK)
    with pytest.raises(Misconfigured, match="line 2: /usr/bin/env was not copied before"):
        made(context, tmp_path / "image", "RUN chmod +x /usr/bin/env", 'CMD ["x"]')


def test_links_that_were_copied_lead_to_places_of_the_image_alone(context: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "main.py").write_text("mine")
    links = context / "links"
    links.mkdir()
    (links / "out").symlink_to(victim)
    (links / "up").symlink_to("../" * 20 + "etc")
    lines = ["COPY links /acme", "COPY main.py /acme/out/main.py", "COPY main.py /acme/up/"]
    made(context, tmp_path / "image", *lines, "RUN mkdir -p /acme/out/made", 'CMD ["x"]')
    assert [one.name for one in victim.iterdir()] == ["main.py"]
    assert (victim / "main.py").read_text() == "mine"
    inside = tmp_path / "image" / str(victim).lstrip("/")
    assert sorted(one.name for one in inside.iterdir()) == ["made", "main.py"]
    assert (tmp_path / "image" / "etc" / "main.py").exists()
    (links / "round").symlink_to("round")
    with pytest.raises(Misconfigured, match="they lead in circles"):
        made(context, tmp_path / "image", "COPY links /acme", "COPY main.py /acme/round/a", 'CMD ["x"]')


def test_a_base_that_was_added_keeps_its_files_under_another_entrypoint(
    context: Path, tmp_path: Path
) -> None:
    base = made(context, tmp_path / "base", "ENV A=1", "COPY main.py /acme/", 'CMD ["x"]')
    row = made(context, tmp_path / "image", 'ENTRYPOINT ["python", "/acme/main.py"]', base=base)
    assert (row.files, row.env, row.default) == (base.files, {"A": "1"}, ())
    cleared = made(context, tmp_path / "image", "ENTRYPOINT []", "CMD []", base=base)
    assert (cleared.command, cleared.default, cleared.files) == ((), (), base.files)


def test_a_failing_pip_says_its_line_and_its_words(context: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"(?s)of line 2 .*requirement no-such-thing"):
        made(context, tmp_path / "image", "RUN pip install --no-index no-such-thing", 'CMD ["x"]')


def test_a_file_that_says_nothing_of_what_runs_takes_it_from_its_base(context: Path, tmp_path: Path) -> None:
    nginx = next(row for row in built_in() if "nginx" in row.images)
    row = made(context, tmp_path / "image", "COPY static /acme-html", base=nginx)
    assert (row.command, row.entrypoint, row.images) == (
        ("nginx",),
        "nginx",
        ("acme/worker", "acme/worker:*"),
    )
    with pytest.raises(Misconfigured, match="neither CMD nor ENTRYPOINT says what runs"):
        made(context, tmp_path / "image", "ENV A=1")


async def test_an_image_that_runs_nothing_by_itself_has_its_files_for_commands(
    context: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    row = made(context, state / "images" / "w", "WORKDIR /acme-srv", "COPY . .")
    (state / "images.d").mkdir()
    (state / "images.d" / "w.yaml").write_text(row_text(row))
    machine = Machine(state, own_objects())
    machine.start()
    try:
        here = ["sh", "-c", "pwd; ls main.py"]
        await machine.apply("a", container={"image": "acme/worker", "command": here})
        await machine.phase("a", "Succeeded", "Failed")
        assert await machine.log("a") == "/acme-srv\nmain.py\n"
        await machine.apply("b", container={"image": "acme/worker", "command": []})
        await until(lambda: "has no program of its own" in str(machine.container("b")))
    finally:
        await machine.stop()


def test_a_row_is_read_as_it_was_written(context: Path, tmp_path: Path) -> None:
    row = made(context, tmp_path / "image", "WORKDIR /acme", "ENV A='ü: 1'", "COPY . .", "CMD run it")
    assert parse(row_text(row), "x") == (row,)
    for one in built_in():
        assert parse(row_text(one), "x") == (one,)


def test_folders_of_names_that_look_alike_differ(tmp_path: Path) -> None:
    assert own_folder(tmp_path, "a/b") != own_folder(tmp_path, "a-b")
    assert own_folder(tmp_path, "../../etc").parent == tmp_path


async def test_a_pod_runs_what_was_made_with_its_packages_and_scripts(context: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    install = "RUN pip install --no-index ./acme_tool-1.0-py3-none-any.whl"
    lines = ["WORKDIR /acme-srv", "COPY . .", install, 'CMD ["python3", "main.py"]']
    row = made(context, state / "images" / "w", *lines)
    (state / "images.d").mkdir()
    (state / "images.d" / "w.yaml").write_text(row_text(row))
    assert ImageMap(state / "images.yaml").entry("acme/worker:2") == row
    machine = Machine(state, own_objects())
    machine.start()
    try:
        for name, args, says in (("a", [], "installed"), ("b", ["acme-tool"], "script")):
            await machine.apply(name, container={"image": "acme/worker:2", "command": [], "args": args})
            await machine.phase(name, "Succeeded", "Failed")
            assert await machine.log(name) == f"{says}\n"
    finally:
        await machine.stop()
