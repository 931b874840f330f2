"""The benchmark of a cluster counts each request once, and its bars can be broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.cluster.phases import writes_each
from bench.cluster.seen import Audit, Deed, Seen


def line(number: int, verb: str = "patch", resource: str = "scaledobjects", **more: Any) -> str:
    body = {
        "auditID": str(number),
        "verb": verb,
        "requestReceivedTimestamp": f"2026-01-02T03:04:{number:02d}.500000Z",
        "objectRef": {"resource": resource, "name": "web", **more},
    }
    return json.dumps(body) + "\n"


def test_a_request_is_counted_once_and_a_line_that_is_being_written_later(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    audit = Audit(log)
    assert audit.news() == []
    begun = line(2, "watch", "secrets")
    half = line(3, resource="scaledobjects", subresource="status")
    log.write_text(line(1) + begun + begun + half[:40])
    first = audit.news()
    assert [(one.verb, one.resource) for one in first] == [("patch", "scaledobjects"), ("watch", "secrets")]
    assert first[1].at_s - first[0].at_s == 1
    log.write_text(line(1) + begun + begun + half)
    assert [one.resource for one in audit.news()] == ["scaledobjects/status"]
    assert audit.news() == []


def test_a_cluster_whose_audit_log_nobody_reads_says_so() -> None:
    assert not Audit(None).is_kept
    assert Audit(None).news() == []


DEEDS = (
    [Deed(0, "patch", "scaledobjects", "web")] * 2
    + [Deed(0, "create", "horizontalpodautoscalers", "web")]
    + [Deed(0, "get", "deployments", "web"), Deed(0, "create", "events", ""), Deed(0, "update", "leases", "")]
)


@pytest.mark.parametrize(("more", "is_broken"), [(0, False), (1, True)])
def test_a_write_too_many_for_each_object_breaks_the_bar(more: int, is_broken: bool) -> None:
    deeds = [*DEEDS, *[Deed(0, "patch", "scaledobjects/status", "web")] * more]
    found = writes_each("one", deeds, 1)
    assert (found.value, found.is_broken) == (3 + more, is_broken)


def test_a_process_is_seen_by_its_time_and_memory() -> None:
    own = Seen(os.getpid())
    assert own.cpu_s > 0
    assert own.rss_mb > 1


def test_the_command_says_what_it_takes() -> None:
    run = subprocess.run([sys.executable, "-m", "bench.cluster", "--help"], capture_output=True, text=True)
    assert run.returncode == 0
    assert "--pid" in run.stdout
