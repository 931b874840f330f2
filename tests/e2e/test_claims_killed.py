"""kill -9 of `tidegate up` while it claims from five sources at a time; a log of its Jobs tells the rest."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from parts.claim_sources import SOURCES, ClaimSource, RedisStream, in_redis
from parts.claim_triggers import TRIGGERS
from parts.claimed_tubes import tubes
from parts.killer import Killer, overlapping, runs
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("claims-killed")]

STARTS: dict[str, Callable[[], Any]] = {
    **{name: SOURCES[name] for name in ("postgresql", "rabbitmq", "azure-queue")},
    # How far a group lags behind is known from Redis 7 on.
    "redis-streams": in_redis(RedisStream, "single", 7),
    "beanstalkd": tubes,
}
PLAIN = [f"plain-{number}" for number in range(17)]
NAMES = ["by-hand", "shaky", *PLAIN, "poison"]
# Whoever is killed between two steps may leave a message of these twice: docs/claims.md.
IS_COPIED = {"rabbitmq"}
WORKER = """
set -eu
who="$KEDA_TASK_DATA $KEDA_TASK_ID $KEDA_TASK_ATTEMPT $SOURCE $JOB"
note() { echo "$(date +%s.%N) $1 $who" >> /log/runs.log; }
note begins
sleep 0.2
case "$KEDA_TASK_DATA" in
  poison) note fails; exit 1 ;;
  shaky) if [ "$KEDA_TASK_ATTEMPT" = 1 ]; then note fails; kill -9 $$; fi ;;
  by-hand) if mkdir "/log/$SOURCE" 2>/dev/null; then trap 'note gone; exit 1' TERM; sleep 600 & wait; fi ;;
esac
note ends
"""
LOG = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: log}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
"""


def scaled_job(name: str, source: ClaimSource, address: str) -> Any:
    """Messages in two attempts, leases of three seconds, Jobs that go as soon as they have ended."""
    env = [
        {"name": "SOURCE", "value": name},
        {"name": "JOB", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['job-name']"}}},
    ]
    worker = {
        "name": "worker",
        "image": "busybox",
        "command": ["sh", "-c", WORKER],
        "env": env,
        "volumeMounts": [{"name": "log", "mountPath": "/log"}],
    }
    pod = {
        "containers": [worker],
        "volumes": [{"name": "log", "persistentVolumeClaim": {"claimName": "log"}}],
        "terminationGracePeriodSeconds": 5,
    }
    annotations = {"tidegate.dev/claim-attempts": "2", "tidegate.dev/claim-lease": "3"}
    job = {"ttlSecondsAfterFinished": 0}
    return TRIGGERS[name](source, address).scaled_job(
        name, pod, job=job, annotations=annotations, pollingInterval=1, maxReplicaCount=4
    )


@dataclass
class Story:
    """Every source with a killer before it, under one `tidegate up`; what is left at the end."""

    up: Up
    sources: dict[str, ClaimSource]
    killers: dict[str, Killer]
    folder: Path = Path()
    dead: dict[str, list[bytes]] = field(default_factory=dict)
    unclaimed: dict[str, list[bytes]] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def lines(self, name: str) -> list[list[str]]:
        return [line for line in runs(self.folder) if line[5] == name]

    def live(self) -> None:
        """Four messages of each source between two deaths, each at another source's command."""
        objects = [scaled_job(name, one, self.killers[name].address) for name, one in self.sources.items()]
        self.up.kubectl("apply", "-f", "-", stdin=LOG)
        self.up.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(one) for one in objects))
        self.folder = self.up.folder / "node" / "volumes" / self.up.get("pvc", "log")["metadata"]["uid"]
        chance = random.Random(14)
        for number, killer in enumerate(self.killers.values()):
            killer.aim(chance.randint(2, 9), chance.choice(["before", "after"]))
            for source in self.sources.values():
                source.push(*(one.encode() for one in NAMES[number * 4 : number * 4 + 4]))
            assert killer.killed.wait(120), "nothing was said"
            self.up.start()
        self.up.until("every source has a Job to delete", lambda: len(self._by_hand()) == len(self.sources))
        self.up.kubectl("delete", "job", "--wait=false", *self._by_hand())
        self.up.until("every message has ended", self._have_ended, 300)
        self.up.until("no Job is left", lambda: self.up.get("jobs")["items"] == [], 60)
        self.up.kubectl("delete", "scaledjob", "--all", "--timeout=60s")
        for name, source in self.sources.items():
            self.dead[name], self.unclaimed[name] = source.dead(), source.unclaimed()
            self.kept[name] = source.kept()

    def _by_hand(self) -> list[str]:
        """The Jobs that wait to be deleted, one of each source."""
        lines = [line for line in reversed(runs(self.folder)) if line[1:3] == ["begins", "by-hand"]]
        return list({line[5]: line[6] for line in lines}.values())

    def _have_ended(self) -> bool:
        lines = runs(self.folder)
        ended = {(line[5], line[2]) for line in lines if line[1] == "ends"}
        failed = Counter(line[5] for line in lines if line[1:3] == ["fails", "poison"])
        good = len(self.sources) * (len(NAMES) - 1)
        return len(ended) == good and all(failed[name] > 1 for name in self.sources)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    needs_kubectl()
    up = Up(tmp_path_factory.mktemp("killed") / "data")
    with ExitStack() as stack:
        sources = {name: stack.enter_context(start()) for name, start in STARTS.items()}
        for source in sources.values():
            source.empty()
        killers = {name: stack.enter_context(closing(Killer(one.port))) for name, one in sources.items()}
        for killer in killers.values():
            killer.kill = up.kill
        stack.callback(up.end)
        up.start()
        story = Story(up, sources, killers)
        story.live()
        yield story


@pytest.mark.parametrize("name", STARTS)
def test_kill_9_at_any_moment_loses_and_doubles_no_message(story: Story, name: str) -> None:
    lines = story.lines(name)
    assert overlapping(lines, 3) == []
    ended = Counter(line[2] for line in lines if line[1] == "ends")
    begun = Counter(line[2] for line in lines if line[1] == "begins")
    twice = {"poison", "shaky", "by-hand"}
    if name in IS_COPIED:
        # Each copy is a message of its own, with an identity of its own, and done once.
        each = Counter(line[3] for line in lines if line[1] == "ends")
        assert set(each.values()) == {1}
        assert set(ended) == {*NAMES} - {"poison"}
        assert set(story.dead[name]) == {b"poison"}
    else:
        assert overlapping(lines) == []
        assert ended == dict.fromkeys({*NAMES} - {"poison"}, 1)
        assert begun == {one: 2 if one in twice else 1 for one in NAMES}
        assert story.dead[name] == [b"poison"]
    assert (story.unclaimed[name], story.kept[name]) == ([], 0)
