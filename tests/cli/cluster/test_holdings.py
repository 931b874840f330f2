"""What a running control plane holds, asked for by `tidegate validate --local`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tidegate.cli.cluster.holdings import holdings
from tidegate.kube.resource import CONFIG_MAPS, NAMESPACES, SECRETS

ASKS = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
    - name: c
      image: busybox
      command: [sh]
      env: [{name: USER_NAME, valueFrom: {secretKeyRef: {name: login, key: user}}}]
"""
LOGIN = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {user: me}\n"


def test_what_is_there_is_found_and_what_is_not_is_none(cli) -> None:
    cli("apply", "-f", "-", stdin=LOGIN)
    login, shop, rest = (SECRETS, "default", "login"), (NAMESPACES, "", "shop"), (CONFIG_MAPS, "x", "y")
    found = asyncio.run(holdings(cli.kubeconfig, [login, shop, rest]))
    assert found is not None
    assert (found[shop], found[rest]) == (None, None)
    assert found[login]["data"] == {"user": "bWU="}


def test_where_nothing_answers_nothing_is_known(tmp_path: Path) -> None:
    assert asyncio.run(holdings(tmp_path / "kubeconfig", [])) is None
    (tmp_path / "kubeconfig").write_text("clusters: [3]")
    assert asyncio.run(holdings(tmp_path / "kubeconfig", [])) is None


def test_validate_asks_the_control_plane_of_its_data_directory(cli, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir()
    words = ("validate", "--local", "--data-dir", str(data), "-")
    told = cli(*words, stdin=ASKS, code=1)
    assert 'Secret "login" is not among the files' in told.stdout
    assert f"{data}: no `tidegate up` runs with it" in told.stderr
    (data / "kubeconfig").symlink_to(cli.kubeconfig)
    told = cli(*words, stdin=ASKS, code=1)
    assert 'Secret "login" is neither among the files nor in `tidegate up`' in told.stdout
    assert "no `tidegate up` runs" not in told.stderr
    cli("apply", "-f", "-", stdin=LOGIN)
    assert cli(*words, stdin=ASKS).stdout == ""
