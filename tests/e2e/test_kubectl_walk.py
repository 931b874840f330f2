"""A walk with an old and the newest kubectl over all served kinds: nothing crashes, nothing false is shown.

What our API server and controllers write is judged by what kubectl prints of it, on objects at their
plainest. A kind that is served and has no object in `plain_objects` fails here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from parts.loopback import missing
from parts.plain_objects import plain_objects
from parts.up import ROOT, Up, kubectl, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real]

OLD = "1.27"
VERSIONS = (OLD, "newest")
WIDTH = 3
# Go's panics and broken formats, moments that nobody wrote, and counts below nothing.
FALSE = re.compile(r"panic|nil pointer|goroutine|runtime error|%!\w?\(|\b0001\b|<invalid>| -\d+s\b")


class Served(NamedTuple):
    path: str
    up: Up
    home: Path


class Said(NamedTuple):
    code: int
    text: str


class Kubectl:
    """One kubectl against one server. `complaints` says which commands did otherwise than they should."""

    def __init__(self, path: str, up: Up, home: Path, namespace: str) -> None:
        self.path = path
        self.up = up
        self.namespace = namespace
        self.manifest = plain_objects(namespace)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "KUBECONFIG": str(up.kubeconfig),
            "KUBE_EDITOR": "true",
        }
        self.complaints: list[str] = []

    def __call__(self, *words: str, stdin: str = "") -> Said:
        run = subprocess.run(
            [self.path, "-n", self.namespace, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
        )
        return Said(run.returncode, run.stdout + run.stderr)

    def expect(self, *words: str, code: int = 0, text: str = "") -> Said:
        """Notes what is wrong with a command; goes on, so that one look shows all."""
        said = self(*words)
        if said.code != code or text not in said.text or FALSE.search(said.text):
            self.complaints.append(f"$ kubectl {' '.join(words)}\n[{said.code}] {said.text}")
        return said

    def expect_all(self, commands: Iterable[tuple[str, ...]]) -> None:
        with ThreadPoolExecutor(WIDTH) as pool:
            list(pool.map(lambda words: self.expect(*words), commands))

    def judge(self) -> None:
        assert not self.complaints, "\n\n".join(self.complaints)

    def is_so(self, *words: str, wanted: str) -> Callable[[], bool]:
        return lambda: wanted in self(*words).text


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(version, marks=pytest.mark.xdist_group(f"kubectl {version}")) for version in VERSIONS
    ],
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a kubectl: each has a namespace of its own."""
    needs_kubectl()
    path = kubectl() if request.param != OLD else str(ROOT / ".tools" / f"kubectl-{OLD}")
    if not Path(path).exists():
        missing(f"kubectl {request.param} is missing; `make tools` fetches it")
    home = tmp_path_factory.mktemp("walk")
    server = Up(home / "state", "--hpa-interval", "2")
    server.start()
    try:
        yield Served(path, server, home)
    finally:
        server.end()


@pytest.fixture
def walk(served: Served, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """All plain objects, at rest."""
    path, up, home = served
    namespace = re.sub(r"[^a-z]+", "-", request.node.originalname.removeprefix("test_"))[:50].strip("-")
    made = Kubectl(path, up, home, namespace)
    created = made("apply", "-f", "-", stdin=made.manifest)
    assert created.code == 0, created.text
    status = "jsonpath={.items[*].status.phase}"
    up.until("the claim is bound", made.is_so("get", "pvc", "disk", "-o", "yaml", wanted="phase: Bound"))
    up.until("pods run", lambda: made("get", "pods", "-o", status).text.count("Running") == 5)
    condition = "jsonpath={.items[*].status.conditions[*].type}"
    up.until("Jobs end", lambda: made("get", "jobs", "-o", condition).text.count("Complete") == 2)
    up.until("Jobs fail", made.is_so("get", "jobs", "-o", condition, wanted="Failed"))
    up.until("the HPA was looked at", made.is_so("get", "hpa", "-o", condition, wanted="AbleToScale"))
    yield made
    made.judge()


def kinds(walk: Kubectl, verbs: str = "list") -> list[str]:
    listed = walk.expect("api-resources", f"--verbs={verbs}", "-o", "name").text.split()
    assert len(listed) > 25
    return listed


def test_every_kind_can_be_printed_described_and_explained(walk: Kubectl) -> None:
    named = kinds(walk)
    for kind in named:
        assert walk("get", kind, "-A", "-o", "name").text.strip(), f"{kind} has no plain object"
    walk.expect_all(("describe", kind, "-A") for kind in named)
    walk.expect_all(("get", kind, "-A", "-o", "wide", "--show-labels") for kind in named)
    walk.expect_all(("get", kind, "-A", "--sort-by=.metadata.name") for kind in named)
    # kubectl takes figures of nodes and pods for the core kinds of these names, on any cluster.
    explained = [kind for kind in named if not kind.endswith(".metrics.k8s.io")]
    walk.expect_all(("explain", kind, "--recursive") for kind in explained)
    walk.expect("get", "all", "-A", "-o", "wide")
    walk.expect("get", ",".join(named), "-A", "-o", "yaml")


def test_every_kind_can_be_marked_edited_and_compared(walk: Kubectl) -> None:
    named = [walk("get", kind, "-o", "name").text.split()[0] for kind in kinds(walk, "list,patch")]
    walk.expect_all(("label", name, "walk=here") for name in named)
    walk.expect_all(("annotate", name, "example.org/walk=here") for name in named)
    walk.expect_all(
        ("patch", name, "--type=merge", "-p", '{"metadata":{"labels":{"walk":null}}}') for name in named
    )
    walk.expect("edit", *named, text="no changes made")
    walk.expect("apply", "view-last-applied", "configmap/empty", "deployment/web", "scaledobject/bare")
    said = walk("diff", "-f", "-", stdin=walk.manifest)
    assert said.code in (0, 1), said.text


def test_rollouts_tell_of_each_change(walk: Kubectl) -> None:
    walk.expect("annotate", "deploy/web", "kubernetes.io/change-cause=first")
    walk.expect("set", "env", "deploy/web", "A=1")
    walk.expect("annotate", "deploy/web", "kubernetes.io/change-cause=second", "--overwrite")
    walk.expect("rollout", "status", "deploy/web", text="successfully rolled out")

    def history() -> str:
        return " ".join(walk("rollout", "history", "deploy/web").text.split())

    walk.up.until("causes are passed on", lambda: history().endswith("1 first 2 second"))
    walk.expect("rollout", "history", "deploy/web", "--revision=1", text="first")
    walk.expect("rollout", "history", "deploy/web", "--revision=9", code=1, text="find")
    walk.expect("rollout", "undo", "deploy/web")
    walk.expect("rollout", "status", "deploy/web", text="successfully rolled out")
    walk.up.until("the old one is the newest", lambda: history().endswith("2 second 3 first"))
    walk.expect("rollout", "restart", "deploy/web")
    walk.expect("rollout", "pause", "deploy/web", text="paused")
    walk.expect("describe", "deploy", "web", text="DeploymentPaused")
    walk.expect("rollout", "resume", "deploy/web", text="resumed")
    walk.expect("rollout", "status", "deploy/web", text="successfully rolled out")
    walk.expect("rollout", "status", "deploy/held", "--watch=false", text="Waiting for deployment")
    walk.expect("rollout", "history", "job/done", code=1)


def test_set_changes_what_it_names(walk: Kubectl) -> None:
    for words in (
        ("image", "deploy/web", "c=other"),
        ("image", "rs/none", "c=other"),
        ("image", "pod/alone", "c=other"),
        ("env", "deploy/web", "--list"),
        ("env", "deploy/web", "--from=configmap/empty"),
        ("resources", "deploy/web", "--limits=cpu=100m,memory=64Mi"),
        ("serviceaccount", "deploy/web", "worker"),
        ("selector", "svc/unselected", "app=web"),
        ("subject", "rolebinding/empty", "--user=joe", f"--serviceaccount={walk.namespace}:worker"),
        ("subject", "clusterrolebinding/empty", "--group=team"),
    ):
        walk.expect("set", *words)
    for resource in ("deploy", "rs", "svc", "rolebinding", "clusterrolebinding", "pod"):
        walk.expect("describe", resource)
    walk.expect("describe", "rolebinding", "empty", text="joe")


def test_more_is_made_from_plain_objects(walk: Kubectl) -> None:
    percent = "--cpu-percent=50" if OLD in walk.path else "--cpu=50%"
    walk.expect("autoscale", "deploy/web", "--max=3", percent, text="autoscaled")
    there = 'horizontalpodautoscalers.autoscaling "web" already exists'
    walk.expect("autoscale", "deploy/web", "--max=3", percent, code=1, text=there)
    walk.expect("describe", "hpa", "web", text="50%")
    walk.expect("get", "horizontalpodautoscalers.v1.autoscaling", "-o", "wide", text="cpu:")
    for words in (
        ("deploy/web", "--port=80", "--name=e1"),
        ("deploy/web", "--port=80", "--name=e2", "--type=NodePort"),
        ("deploy/web", "--port=80", "--name=e3", "--type=LoadBalancer"),
        ("rs/none", "--port=80", "--name=e4"),
        ("svc/web", "--name=e5", "--port=90", "--target-port=8080"),
    ):
        walk.expect("expose", *words, text="exposed")
    walk.expect("expose", "pod/alone", "--port=80", code=1, text="no labels")
    walk.expect("describe", "svc", text="NodePort:")
    walk.expect("scale", "rs/none", "--replicas=1")
    walk.expect("wait", "--for=jsonpath={.status.readyReplicas}=1", "rs/none", "--timeout=30s")
    walk.expect("create", "job", "more", "--from=cronjob/x", code=1)


def test_what_is_not_served_is_refused_in_words(walk: Kubectl) -> None:
    walk.expect("debug", "alone", "--image=tool", code=1, text="ephemeral containers are disabled")
    walk.expect("debug", "alone", "-it", "--image=tool", code=1, text="ephemeral containers are disabled")
    walk.expect("debug", "alone", "--image=tool", "--copy-to=copy")
    walk.expect("debug", "node/local", "--image=tool")
    walk.expect("debug", "job/done", "--image=tool", code=1, text="not supported by debug")
    walk.expect("describe", "pod", "copy")
    for words in (
        ("top", "pod", "nosuch"),
        ("create", "token", "nobody"),
        ("auth", "can-i", "get", "pods", "--as", "ann"),
        ("certificate", "approve", "x"),
        ("get", "componentstatuses"),
        ("get", "--raw", "/api/v1/nosuch"),
        ("get", "--raw", f"/api/v1/namespaces/{walk.namespace}/pods/alone/nosuch"),
        ("get", "nosuch"),
        ("get", "pod", "nosuch"),
    ):
        walk.expect(*words, code=1)


def test_top_shows_what_is_used(walk: Kubectl) -> None:
    walk.expect("top", "pod", "alone", text="CPU(cores)")
    walk.expect("top", "pods", "-A", "--containers", text="alone")
    walk.expect("top", "node", "local", text="local")
    walk.expect("top", "pods", "-l", "no=such", text="No resources found")


def test_a_node_that_is_cordoned_takes_no_pods(walk: Kubectl) -> None:
    walk.expect("cordon", "local", text="cordoned")
    walk.expect("get", "node", "local", text="Ready,SchedulingDisabled")
    walk.expect("run", "late", "--image=tool", "--command", "--", "sleep", "600")
    walk.up.until("it says why", walk.is_so("describe", "pod", "late", wanted="1 node(s) were unschedulable"))
    walk.expect("drain", "local", "--dry-run=client", "--force", "--ignore-daemonsets")
    walk.expect("uncordon", "local", text="uncordoned")
    walk.expect("wait", "--for=condition=Ready", "pod/late", "--timeout=30s")
    walk.expect("taint", "node", "local", "team=a:NoSchedule")
    walk.expect("describe", "node", "local", text="team=a:NoSchedule")
    walk.expect("taint", "node", "local", "team-")


def test_what_is_shown_is_so(walk: Kubectl) -> None:
    node = walk.expect("describe", "node", "local", text="HolderIdentity:  local").text
    assert re.search(r"Ready +True .*20\d\d", node), node
    assert re.search(r"InternalIP: +127\.0\.0\.1", node)
    held = walk.expect("describe", "deploy", "held").text
    assert re.search(r"Available +False +MinimumReplicasUnavailable", held), held
    assert re.search(r"QoS Class: +Guaranteed", walk.expect("describe", "pod", "storing").text)
    assert re.search(r"QoS Class: +BestEffort", walk.expect("describe", "pod", "alone").text)
    walk.expect("get", "pod", "gated", text="SchedulingGated")
    walk.expect("get", "pv", "own", text="Available")
    for job, fields in (("failed", []), ("done", []), ("indexed", ["completedIndexes"])):
        text = walk("get", "job", job, "-o", "yaml").text
        assert re.findall(r"\w+Indexes", text) == fields, text
    ports = walk(
        "get", "svc", "outward", "balanced", "-o", "jsonpath={.items[*].spec.ports[*].nodePort}"
    ).text
    assert len(ports.split()) == 2
    assert all(30000 <= int(port) < 32768 for port in ports.split())
    walk.expect("describe", "svc", "unselected", text="10.9.8.7:1")
    walk.expect("delete", "pvc", "disk", "--wait=false")
    walk.expect("get", "pvc", "disk", text="Terminating")
    walk.expect("delete", "pod", "storing", "--grace-period=1")
    walk.expect("wait", "--for=delete", "pvc/disk", "--timeout=30s")


def test_events_come_in_the_order_in_which_they_happened(walk: Kubectl) -> None:
    """Of one Pod they mostly happen within one second, which is all that clients sort by."""
    wanted = ["Scheduled", "Pulled", "Created", "Started"]

    def reasons(told: str) -> list[str]:
        """The second column of each line that has one of ours."""
        rows = [line.split() for line in told.splitlines()]
        return [word for row in rows for word in row[1:3] if word in wanted]

    for number in range(5):
        walk.expect("run", f"p{number}", "--image=tool", "--restart=Never", "--command", "--", "true")
    for number in range(5):
        name = f"p{number}"
        walk.up.until(f"{name} ran", walk.is_so("get", "pod", name, wanted="Completed"))
        told = walk.expect("describe", "pod", name).text.partition("\nEvents:")[2]
        assert reasons(told)[:4] == wanted, told
        told = walk.expect("events", "--for", f"pod/{name}").text
        assert reasons(told)[:4] == wanted, told
    rows = walk.expect("get", "events", "-o", "custom-columns=O:.involvedObject.name,R:.reason").text
    together = [line.split() for line in walk.expect("events", "--types=Normal").text.splitlines()]
    for name in (f"p{number}" for number in range(5)):
        assert [row.split()[1] for row in rows.splitlines() if row.startswith(f"{name} ")] == wanted
        assert [row[2] for row in together if f"Pod/{name}" in row] == wanted
