"""Programs of ours as processes beside a real cluster: for end-to-end tests of what is installed there.

    pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

    @pytest.fixture
    def installed(real_kubeconfig: Path, tmp_path: Path) -> Iterator[Installed]:
        with Installed(real_kubeconfig, tmp_path) as installed:
            yield installed

    def test_…(installed: Installed) -> None:
        operator = installed.operator()
        operator.start()
        installed.apply(manifest)
        installed.until("…", lambda: installed.get("deployment", "web")["spec"]["replicas"] == 1)

KEDA's kinds are defined first. The test has a namespace of its own, the only one that its operator follows.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from parts.loopback import free_port
from parts.up import ROOT, kubectl, needs_kubectl

PATIENCE_S = 60.0
DEFINITIONS = ROOT / "deploy" / "crds"


class Program:
    """One process of `tidegate <command>`: started, asked, stopped, killed, held."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.environment = dict(environment)
        self.output = output
        self.probes = self.metrics = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, waits: bool = True) -> None:
        """Returns when `/readyz` says yes, of a program that has one."""
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegate.cli.main", *self.arguments],
                stdout=out,
                stderr=out,
                env={**_bare(os.environ), **self.environment},
            )
        if waits and self.probes:
            self.until(f"{self.name} is ready", lambda: self.probe("/readyz")[0] == 200)

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the probe site; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probes}{path}", timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def told_metrics(self) -> str:
        """What `/metrics` says; nothing where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=3) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def stop(self) -> int:
        """Asks it to stop; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        return self._end(signal.SIGKILL)

    def hold(self) -> None:
        """Stands still, as in a machine that is overloaded or asleep."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code once it has ended by itself."""
        assert self.process is not None
        code = self.process.wait(timeout=within_s)
        self.process = None
        return code

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def until(
        self, what: str, is_so: Callable[[], bool], within_s: float = PATIENCE_S, pause_s: float = 0.05
    ) -> None:
        """Waits for it, looking after each pause; fails with `what` and the program's last words."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert self.is_running, f"{self.name} has ended: {self.log()[-3000:]}"
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}\n{self.log()[-3000:]}"
            time.sleep(pause_s)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self.process = None
        return code


class Installed:
    """KEDA's kinds, a namespace, and programs of ours. Nothing of it is left at the end."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        needs_kubectl()
        self.kubeconfig = kubeconfig
        self.folder = folder
        self.namespace = f"t{secrets.token_hex(5)}"
        self.programs: list[Program] = []
        self._roles: list[str] = []

    def __enter__(self) -> Installed:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(DEFINITIONS))
        self.kubectl("wait", "--for=condition=Established", "-f", str(DEFINITIONS), "--timeout=30s")
        self.kubectl("create", "namespace", self.namespace)
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.kill()
        # Nobody is left who would take these off.
        for kind in ("scaledobjects", "scaledjobs"):
            for one in self.get(kind)["items"]:
                self.patch(kind, one["metadata"]["name"], {"metadata": {"finalizers": None}}, check=False)
        for name in self._roles:
            self.kubectl("delete", "clusterrole,clusterrolebinding", name, check=False)
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def program(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None, probes: int = 0
    ) -> Program:
        """`tidegate <arguments>` as a process, not started yet. `probes` is the port of its `/readyz`."""
        output = self.folder / f"{name}-{len(self.programs)}.out"
        made = Program(name, arguments, environment or {}, output)
        made.probes = probes
        self.programs.append(made)
        return made

    def operator(
        self, *flags: str, environment: Mapping[str, str] | None = None, kubeconfig: Path | None = None
    ) -> Program:
        """The operator of the test's namespace; what listens on loopback may be asked."""
        probes, metrics = free_port(), free_port()
        made = self.program(
            "operator",
            "operator",
            f"--kubeconfig={kubeconfig or self.kubeconfig}",
            f"--health-probe-bind-address=127.0.0.1:{probes}",
            f"--metrics-bind-address=127.0.0.1:{metrics}",
            "--allow-address=127.0.0.0/8",
            *flags,
            environment={
                "POD_NAMESPACE": self.namespace,
                "WATCH_NAMESPACE": self.namespace,
                **(environment or {}),
            },
            probes=probes,
        )
        made.metrics = metrics
        return made

    def account(self, rules: Sequence[Mapping[str, Any]]) -> Path:
        """The kubeconfig of a new service account, which may do what these rules say in the whole cluster."""
        name = f"{self.namespace}-{secrets.token_hex(3)}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        rbac = "rbac.authorization.k8s.io"
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
                "subjects": [subject],
            },
        )
        self.allow(name, rules)
        self._roles.append(name)
        token = self.kubectl("create", "token", name, "-n", self.namespace, "--duration=1h").strip()
        body = yaml.safe_load(self.kubectl("config", "view", "--raw", "--minify"))
        body["users"] = [{"name": body["contexts"][0]["context"]["user"], "user": {"token": token}}]
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(body))
        path.chmod(0o600)
        return path

    def allow(self, name: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """What the account of this name may do from now on."""
        role = {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [dict(one) for one in rules]}
        self.apply({"apiVersion": "rbac.authorization.k8s.io/v1", **role})

    def condition(self, kind: str, name: str, type: str) -> tuple[str, str]:
        """Status and message of a condition; empty where it is missing."""
        for one in (self.get(kind, name).get("status") or {}).get("conditions") or ():
            if one["type"] == type:
                return one["status"], one.get("message", "")
        return "", ""

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """Standard output; with `check` it must succeed, without it the complaints are there, too."""
        run = subprocess.run(
            [kubectl(), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder)},
        )
        if check:
            assert run.returncode == 0, f"kubectl {' '.join(words)}: {run.stderr}"
        return run.stdout if check else run.stdout + run.stderr

    def apply(self, *objects: dict[str, Any] | str) -> None:
        """Manifests, as values or YAML, into the test's namespace."""
        texts = [one if isinstance(one, str) else yaml.safe_dump(one) for one in objects]
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin="\n---\n".join(texts))

    def get(self, *words: str) -> Any:
        """An object or a list of the test's namespace."""
        return json.loads(self.kubectl("get", "-n", self.namespace, *words, "-o", "json"))

    def patch(self, kind: str, name: str, patch: Any, *, check: bool = True) -> None:
        text = json.dumps(patch)
        self.kubectl("patch", "-n", self.namespace, kind, name, "--type=merge", "-p", text, check=check)

    def until(self, what: str, is_so: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Waits for it; fails with `what` and the last words of the programs, also when one has ended."""
        deadline = time.monotonic() + within_s
        while not is_so():
            ends = [one for one in self.programs if one.process is not None and not one.is_running]
            assert not ends, f"{ends[0].name} has ended: {ends[0].log()[-3000:]}"
            logs = "\n".join(one.log()[-2000:] for one in self.programs)
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}\n{logs}"
            time.sleep(0.1)


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what the machine's own user has set for kubectl and proxies."""
    return {
        name: value
        for name, value in environment.items()
        if name != "KUBECONFIG" and not name.lower().endswith("_proxy")
    }
