"""What pods write stays in them: a package is installed in one, the server is killed, the pod is deleted."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from parts.loopback import missing
from parts.up import Up
from tidegate.local.nodes.processes.machine_view import look

pytestmark = [pytest.mark.e2e, pytest.mark.real]

PACKAGE = "tidegate-test-package"
CONTROL = f"""Package: {PACKAGE}
Version: 1.0
Architecture: all
Maintainer: nobody <n@example.com>
Description: a test
"""
INSTALLS = f"""
set -e
apt-get install -y --no-install-recommends $DEB >/dev/null 2>/tmp/told || cat /tmp/told
echo is $({PACKAGE}) $(dpkg-query -W -f '${{Version}}' {PACKAGE}) >>/volume/said
echo changed >>/etc/hosts.tidegate-test; echo changed >>/etc/passwd
echo $HOSTNAME >>/tmp/tidegate-test; mkdir /usr/local/tidegate-test; rm -r /usr/share/doc
echo saw $(cat /tmp/tidegate-test) >>/volume/said
sleep 1000
"""


def pod(name: str, command: str, policy: str = "Never") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {policy}
  terminationGracePeriodSeconds: 1
  volumes:
    - {{name: v, persistentVolumeClaim: {{claimName: kept}}}}
  containers:
    - name: c
      image: debian
      command: [sh, -c, {command!r}]
      volumeMounts: [{{name: v, mountPath: /volume}}]
---
"""


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
"""


@pytest.fixture(autouse=True)
def able(tmp_path: Path) -> None:
    view = look(tmp_path / "probe", dict(os.environ))
    if view.kind != "whole":
        pytest.skip(f"no copy on write of this machine: {view.why}")


def files_of(folder: str) -> dict[str, tuple[int, int, int, str]]:
    """Mode, size, time and content of everything below."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            seen = os.lstat(path)
            is_file = os.path.isfile(path) and not os.path.islink(path)
            content = hashlib.sha256(Path(path).read_bytes()).hexdigest() if is_file else ""
            found[path] = (seen.st_mode, seen.st_size, seen.st_mtime_ns, content)
    return found


def machine() -> tuple[str, dict[str, tuple[int, int, int, str]]]:
    packages = subprocess.run(["dpkg", "-l"], capture_output=True, text=True, check=True).stdout
    return packages, files_of("/etc") | files_of("/usr/local")


def built(folder: Path) -> Path:
    """A package that holds one program."""
    program = folder / "package" / "usr" / "bin" / PACKAGE
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho installed\n")
    program.chmod(0o755)
    control = folder / "package" / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(CONTROL)
    file = folder / "package.deb"
    subprocess.run(["dpkg-deb", "-b", folder / "package", file], check=True, stdout=subprocess.DEVNULL)
    return file


def said(up: Up) -> list[str]:
    files = list((up.folder / "node" / "volumes").glob("*/said"))
    return files[0].read_text().splitlines() if files else []


def test_what_pods_install_and_write_is_gone_with_them_and_the_machine_is_as_it_was(
    up: Up, tmp_path: Path
) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        missing("apt-get and dpkg-deb are missing")
    before, file = machine(), built(tmp_path)
    install = INSTALLS.replace("$DEB", str(file))
    up.kubectl("apply", "-f", "-", stdin=CLAIM + pod("a", install) + pod("b", install))
    up.until("both pods have installed it", lambda: len(said(up)) == 4)
    assert sorted(said(up)) == ["is installed 1.0", "is installed 1.0", "saw a", "saw b"]
    assert machine() == before
    up.kill()
    up.start()
    # The node finds its pods a moment after the API serves.
    up.until("a is found again", lambda: up.kubectl("exec", "a", "--", "echo", "-", check=False) == "-\n")
    shown = up.kubectl(
        "exec", "a", "--", "sh", "-c", f"cat /tmp/tidegate-test; {PACKAGE}; ls /usr/share/doc || true"
    )
    assert shown == "a\ninstalled\n"
    mounts = subprocess.run(["cat", "/proc/self/mounts"], capture_output=True, text=True, check=True).stdout
    assert str(up.folder) not in mounts
    up.kubectl("delete", "pod", "a", "b", "--wait=true")
    up.until("the pods' folders are gone", lambda: not os.listdir(up.folder / "node" / "pods"))
    assert machine() == before


def test_a_container_that_starts_again_starts_afresh_and_its_volume_stays(up: Up) -> None:
    command = (
        "[ -e /tmp/mark ] || echo fresh >>/volume/said; touch /tmp/mark; echo over; sleep 0.2; kill -9 $$$$"
    )
    up.kubectl("apply", "-f", "-", stdin=CLAIM + pod("a", command, "OnFailure"))
    up.until("it has started again", lambda: len(said(up)) == 2)
    assert said(up) == ["fresh", "fresh"]
    folders = (up.folder / "node" / "pods").glob
    up.until("what it wrote is gone", lambda: not list(folders("*/c/*/fs")))
    assert up.kubectl("logs", "a", "--previous") == "over\n"
    assert list(folders("*/c/0/exit"))


def test_pods_see_nothing_of_what_the_server_keeps(up: Up) -> None:
    command = f"ls -A {up.folder} >/volume/said; cat {up.kubeconfig} >>/volume/said; echo end >>/volume/said"
    up.kubectl("apply", "-f", "-", stdin=CLAIM + pod("a", command))
    up.until("it has looked", lambda: "end" in said(up))
    assert said(up) == ["end"]
