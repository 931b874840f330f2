"""An operator on a cluster whose definitions of KEDA's kinds are older or newer than its own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.control_plane import AuditedControlPlane
from parts.installed import DEFINITIONS, Installed, Program
from parts.installed_objects import deployment, replicas, rules, scaled_job, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

Object = dict[str, Any]
KINDS = ("scaledobjects", "scaledjobs")
YOUNG = ("triggersActivity", "triggersTypes", "authenticationsTypes", "lastActiveTime")
# Longer than two reconciles of one object are apart.
APART_S = 0.6
TOUCHES = 5


@pytest.fixture(scope="module")
def plane() -> Iterator[AuditedControlPlane]:
    """One of its own, whose definitions are nobody else's."""
    with AuditedControlPlane() as plane:
        yield plane


@pytest.fixture
def installed(plane: AuditedControlPlane, tmp_path: Path) -> Iterator[Installed]:
    with Installed(plane.kubeconfig, tmp_path) as installed:
        yield installed


class Watched:
    """An operator with an account of its own, and its status writes as the API server has noted them."""

    def __init__(self, installed: Installed, plane: AuditedControlPlane) -> None:
        kubeconfig = installed.account(rules())
        self.program: Program = installed.operator(kubeconfig=kubeconfig)
        self._plane = plane
        self._user = f"system:serviceaccount:{installed.namespace}:{kubeconfig.stem}"

    def statuses(self, name: str) -> int:
        return sum(
            one.resource.endswith("/status") and one.name == name for one in self._plane.deeds(self._user)
        )


def redefine(installed: Installed, change: Callable[[Object, Object], None]) -> None:
    """The definitions of both kinds with other schemas of `spec` and `status`. Returns when they count."""
    for kind in KINDS:
        body = yaml.safe_load((DEFINITIONS / f"keda.sh_{kind}.yaml").read_text())
        schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        change(schema["spec"]["properties"], schema["status"]["properties"])
        # A field that tells when the definition counts.
        schema["spec"]["properties"]["isOfThisTest"] = {"type": "string"}
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        installed.kubectl(*words, stdin=json.dumps(body))
        probe = (scaled_object if kind == KINDS[0] else scaled_job)("probe", "127.0.0.1:1", isOfThisTest="")
        installed.until("the definition counts", partial(_is_taken, installed, probe))


def _is_taken(installed: Installed, body: Object) -> bool:
    asked = ("create", "--dry-run=server", "--validate=strict", "-n", installed.namespace, "-f", "-")
    return "created" in installed.kubectl(*asked, stdin=json.dumps(body), check=False)


def touch(installed: Installed, kind: str, name: str) -> None:
    """Edits that mean nothing, each a cause to look at the object again."""
    for number in range(TOUCHES):
        patch = {"metadata": {"annotations": {"tidegate.dev/touched": str(number)}}}
        installed.patch(kind, name, patch)
        time.sleep(APART_S)


def test_what_an_older_definition_does_not_keep_is_told_once_and_not_written_again(
    plane: AuditedControlPlane, installed: Installed, redis: RedisProcess
) -> None:
    def older(spec: Object, status: Object) -> None:
        for name in YOUNG:
            status.pop(name, None)
        spec.pop("fallback", None)

    redefine(installed, older)
    operator = Watched(installed, plane)
    operator.program.start()
    for name in ("first", "second"):
        installed.apply(deployment(name), scaled_object(name, redis.address))
    installed.apply(scaled_job("batch", redis.address))
    redis.call("RPUSH", "first", "one")
    installed.until("it works", lambda: replicas(installed, "first") == 1)
    redis.call("DEL", "first")
    installed.until("it rests", lambda: replicas(installed, "first") == 0)
    installed.until(
        "all are ready",
        lambda: all(
            installed.condition(kind, name, "Ready")[0] == "True"
            for kind, name in (("so", "first"), ("so", "second"), ("sj", "batch"))
        ),
    )
    # What Kubernetes itself says of the new HPAs is past.
    time.sleep(3)
    before = {name: operator.statuses(name) for name in ("second", "batch")}
    touch(installed, "so", "second")
    touch(installed, "sj", "batch")
    assert {name: operator.statuses(name) for name in ("second", "batch")} == before
    lines = [one for one in operator.program.log().splitlines() if "status fields are not kept" in one]
    told = [re.search(r"resource=(\w+) fields='?([\w, ]+)", one) for one in lines]
    pairs = [(one[1], field) for one in told if one is not None for field in one[2].split(", ")]
    # A field is told when it is first written, which may be later than others.
    assert len(pairs) == len(set(pairs))
    assert {kind for kind, field in pairs if field == "triggersActivity"} == set(KINDS)


def test_what_a_newer_definition_lets_in_stops_nobody_and_is_told_where_it_cannot_be_read(
    plane: AuditedControlPlane, installed: Installed, redis: RedisProcess
) -> None:
    def newer(spec: Object, status: Object) -> None:
        spec["foresight"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        status["foreseen"] = {"type": "string"}
        if "fallback" in spec:
            spec["fallback"]["properties"]["behavior"]["enum"].append("oracle")
        if "scalingStrategy" in spec:
            spec["scalingStrategy"]["properties"]["strategy"]["enum"].append("oracle")

    redefine(installed, newer)
    operator = Watched(installed, plane)
    operator.program.start()
    fallback = {"failureThreshold": 3, "replicas": 2, "behavior": "oracle"}
    installed.apply(
        deployment("known"),
        scaled_object("known", redis.address, foresight={"hours": 3}),
        deployment("strange"),
        scaled_object("strange", redis.address, fallback=fallback),
        scaled_job("odd", redis.address, scalingStrategy={"strategy": "oracle"}),
    )
    installed.kubectl(
        *("patch", "so", "known", "-n", installed.namespace, "--subresource=status", "--type=merge"),
        *("-p", '{"status": {"foreseen": "rain"}}'),
    )
    for name in ("known", "strange", "odd"):
        redis.call("RPUSH", name, "one")
    installed.until("what is known works", lambda: replicas(installed, "known") == 1)

    def refused(kind: str, name: str) -> bool:
        status, text = installed.condition(kind, name, "Ready")
        return status == "False" and "oracle" in text

    installed.until("the others say why not", lambda: refused("so", "strange") and refused("sj", "odd"))
    time.sleep(3)
    before = {name: operator.statuses(name) for name in ("strange", "odd")}
    touch(installed, "so", "strange")
    touch(installed, "sj", "odd")
    assert {name: operator.statuses(name) for name in ("strange", "odd")} == before
    assert installed.get("so", "known")["status"]["foreseen"] == "rain"
    installed.patch("so", "strange", {"spec": {"fallback": {"behavior": "static"}}})
    installed.patch("sj", "odd", {"spec": {"scalingStrategy": {"strategy": "default"}}})
    installed.until("it works", lambda: replicas(installed, "strange") == 1)
    installed.until("it has its Job", lambda: len(installed.get("jobs")["items"]) == 1)
    for name in ("known", "strange", "odd"):
        redis.call("DEL", name)
