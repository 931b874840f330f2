"""What a container sees of the machine, and that what it writes there stays its own."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.launching import WHO, Launching, launching
from tidegate.local.nodes.processes.instance import Bind, Plan, View
from tidegate.local.nodes.processes.machine_view import own_places, told
from tidegate.local.nodes.processes.volumes import remove

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts on the machine are for root")


@pytest.fixture(params=WHO)
def launch(request: pytest.FixtureRequest) -> Iterator[Launching]:
    with launching(request.param) as one:
        yield one


@pytest.fixture
def mine() -> Iterator[Launching]:
    with launching(WHO[0]) as one:
        yield one


def able(launch: Launching, *kinds: str) -> View:
    view = launch.view(**ENV, HOME=str(launch.folder / "home"))
    if view.kind not in kinds:
        pytest.skip(f"this machine gives {view.kind} ({view.why})")
    return view


def shell(launch: Launching, view: View, script: str, *binds: Bind, number: int = 0, **more: object) -> str:
    """What the script says, in a container of its own."""
    plan = Plan(["sh", "-c", script], ENV, "/", "pod", binds, view, **more)  # type: ignore[arg-type]
    _, instance = launch.run(plan, number)
    assert instance.inspect().failure is None
    return instance.log.read_text()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in /var/tmp that anybody may write, with a file in it."""
    folder = Path("/var/tmp") / f"tidegate-test-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_what_is_written_in_a_container_is_there_and_not_on_the_machine(launch: Launching) -> None:
    view = able(launch, "whole", "places")
    name = f"tidegate-test-{os.getpid()}"
    for number in (0, 1):  # the second sees nothing of the first
        each = f"[ -e $f/{name} ] || echo a >$f/{name} && cat $f/{name}"
        script = f"for f in /tmp /var/tmp /dev/shm; do {each}; done"
        assert shell(launch, view, script, number=number) == "a\n" * 3
    assert not [f for f in ("/tmp", "/var/tmp", "/dev/shm") if (Path(f) / name).exists()]


def test_files_that_were_there_are_changed_removed_and_renamed_in_the_container_alone(
    launch: Launching,
) -> None:
    home = launch.folder / "home"
    (home / "deep").mkdir(parents=True)
    view = able(launch, "whole", "places")
    for name in ("a", "b", "deep/c"):
        (home / name).write_text(f"{name}\n")
    script = f"cd {home} && echo more >>a && rm b && mv deep/c d && rmdir deep && cat a d && ls"
    assert shell(launch, view, script) == "a\nmore\ndeep/c\na\nd\n"
    assert {p: (home / p).read_text() for p in ("a", "b", "deep/c")} == {
        "a": "a\n",
        "b": "b\n",
        "deep/c": "deep/c\n",
    }


@needs_root
def test_what_an_ordinary_user_may_not_write_he_may_not_write_in_a_container() -> None:
    with launching(WHO[1]) as launch:
        view = able(launch, "places")
        assert {"/tmp", "/var/tmp"} <= set(view.places)
        script = "for f in /etc /usr /usr/local /tmp; do (>$f/tidegate-test) 2>/dev/null && echo $f; done"
        assert shell(launch, view, script) == "/tmp\n"
        assert "/var/tmp" in told(view)


def test_a_volume_is_written_through_also_below_a_place_that_is_none(launch: Launching) -> None:
    view = able(launch, "whole", "places")
    volume = launch.folder / "volume"
    volume.mkdir()
    targets = ("/tidegate-test/deep", "/etc/tidegate-test", "/tmp", "/usr/share/doc/t")
    for number, target in enumerate(targets):
        shell(launch, view, f"echo {target} >>{target}/f", Bind(str(volume), target), number=number)
    assert tuple((volume / "f").read_text().split()) == targets


def test_a_data_directory_that_holds_others_is_hidden_by_its_names(tmp_path: Path) -> None:
    assert own_places(tmp_path / "state", [tmp_path]) == (tmp_path / "state",)
    assert tmp_path / "kubeconfig" in own_places(tmp_path, [tmp_path / "project"])
    assert tmp_path not in own_places(tmp_path, [tmp_path])


def test_what_is_hidden_is_an_empty_place(launch: Launching) -> None:
    view = able(launch, "whole", "places", "shared")
    secret = launch.folder / "state"
    secret.mkdir()
    (secret / "kubeconfig").write_text("token\n")
    alone = launch.folder / "token"
    alone.write_text("token\n")
    assert shell(launch, view, f"cat {alone}", hidden=[str(alone), "/no/such"], number=1) == ""
    script = f"ls -A {secret}; cat {secret}/kubeconfig || echo none; cat /volume"
    bind = Bind(str(secret / "kubeconfig"), "/volume")
    said = shell(launch, view, script, bind, hidden=[str(secret)])
    assert said.splitlines()[1:] == ["none", "token"]


def test_a_socket_of_the_machine_is_reached_through_a_volume_alone(launch: Launching, place: Path) -> None:
    view = able(launch, "whole", "places")
    path = place / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o777)
        server.listen()
        reach = "import socket,sys; print(socket.socket(socket.AF_UNIX).connect_ex(sys.argv[1]))"
        script = f'python3 -I -S -c "{reach}" {path}; python3 -I -S -c "{reach}" /volume/s'
        if shutil.which("python3", path=ENV["PATH"]) is None:
            pytest.skip("no python3 on the machine to connect with")
        assert shell(launch, view, script, Bind(str(place), "/volume")).split() == ["111", "0"]


@needs_root
def test_every_file_system_of_the_machine_is_a_copy(mine: Launching, tmp_path: Path) -> None:
    view = able(mine, "whole")
    for name in ("disk", "disk/inner", "closed", "over"):
        (tmp_path / name).mkdir(exist_ok=True)
    file = tmp_path / "resolv.conf"
    file.touch()
    (tmp_path / "resolv.real").write_text("nameserver\n")
    mounts = f"""
        cd {tmp_path} && mount --make-rprivate / &&
        mount -t tmpfs -o mode=751 t disk && echo outer >disk/f && mkdir disk/inner &&
        mount -t tmpfs t disk/inner && echo inner >disk/inner/f &&
        mount -t tmpfs t closed && echo ro >closed/f && mount -o remount,ro closed &&
        mount -t tmpfs t over && mkdir over/x && mount -t tmpfs t over/x && mount -t tmpfs t over &&
        mount --bind resolv.real resolv.conf &&
        "$@"; code=$?; cat disk/f disk/inner/f resolv.conf; ls over; exit $code
    """
    script = f"""
        cd {tmp_path}; cat disk/f disk/inner/f closed/f resolv.conf; ls over; stat -c %a disk
        for f in disk/f disk/inner/f resolv.conf; do echo new >$f; done
        touch over/y; touch closed/y || echo no
        cat disk/f disk/inner/f resolv.conf
    """
    nested = Launching(["unshare", "-m", "sh", "-c", mounts, "sh", *mine.command], mine.folder)
    plan = Plan(["sh", "-c", script], ENV, "/", "pod", [], view)
    instance_code, instance = nested.run(plan)
    assert instance_code == 0, instance.inspect()
    said = [line for line in instance.log.read_text().splitlines() if "touch" not in line]
    assert said == ["outer", "inner", "ro", "nameserver", "751", "no", "new", "new", "new"]
    assert (tmp_path / "resolv.real").read_text() == "nameserver\n"


@needs_root
@pytest.mark.parametrize(("is_privileged", "said"), [(False, ["ro", "ro"]), (True, ["rw", "rw"])])
def test_settings_of_the_kernel_are_for_privileged_containers(
    mine: Launching, is_privileged: bool, said: list[str]
) -> None:
    view = able(mine, "whole")
    if not os.access("/proc/sys/vm/swappiness", os.W_OK) or not os.access("/sys/kernel", os.W_OK):
        pytest.skip("they are read-only to us, too")
    script = "for f in /proc/sys/vm/swappiness /sys/kernel; do [ -w $f ] && echo rw || echo ro; done"
    assert shell(mine, view, script, is_privileged=is_privileged).split() == said


def test_what_is_left_can_be_removed(launch: Launching) -> None:
    victim = launch.folder / "home" / "victim"
    victim.mkdir(parents=True)
    (victim / "f").touch()
    view = able(launch, "whole", "places")
    script = f"cd {victim} && rm f && mkdir -p a/b && touch a/b/c && chmod 0 a/b a {victim}"
    _, instance = launch.run(Plan(["sh", "-c", script], ENV, "/", "pod", [], view))
    assert any(stat.S_IMODE(p.stat().st_mode) == 0 for p in instance.files.rglob("work"))
    child = os.fork()
    if child == 0:  # as who runs the server
        try:
            if launch.is_other:
                os.setgroups([])
                os.setgid(launch.user)
                os.setuid(launch.user)
            remove(instance.files)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert not instance.files.exists()


def test_nothing_is_mounted_for_others_and_nothing_stays_mounted(launch: Launching) -> None:
    view = able(launch, "whole", "places")
    before = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, check=True).stdout
    shell(launch, view, "true")
    after = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, check=True).stdout
    assert after == before
