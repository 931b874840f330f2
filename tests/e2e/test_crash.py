"""kill -9 of `tidegate up` at any moment of the CSV pipeline: nothing lost, doubled or orphaned.

With the default strategy there are as many Jobs as files. The others may start a Job for a message that
a running one is about to take: such a Job finds the queue empty and ends at once, as it should. With those
the workers take their time before they take a file, and at the end a message goes while its Job begins, so
that this does happen.

TIDEGATE_CRASHES sets the number of kills, with all files for every strategy; TIDEGATE_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.up import ROOT, Up, needs_kubectl, needs_redis
from tidegate.api.scaledjob import JOBS_HISTORY
from tidegate.base.errors import TidegateError
from tidegate.cli.demo import pipeline_check
from tidegate.cli.manifests.files import load
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import CONFIG_MAPS, JOBS, ApiError
from tidegate.operator.cluster.job_result import finished_as

pytestmark = [pytest.mark.e2e, pytest.mark.real]

CRASHES = int(os.environ.get("TIDEGATE_CRASHES", "0"))
ALL_FILES, SOME_FILES = 181, 61
QUEUE = "csvs-to-process"
LABEL = "scaledjob.keda.sh/name=csv-processor"
DEFAULT: dict[str, str] = {}
CUSTOM = {"strategy": "custom", "customScalingRunningJobPercentage": "0.5"}
ACCURATE = {"strategy": "accurate"}
EAGER = {"strategy": "eager"}


class Redis:
    """A few questions to the pipeline's own Redis, past everything of ours."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, *words: str) -> str:
        with socket.create_connection((self.address, 6379), timeout=5) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(65536).decode()

    def number(self, *words: str) -> int:
        reply = self(*words)
        assert reply.startswith(":"), reply
        return int(reply[1:])

    def process_id(self) -> str:
        return next(line for line in self("INFO", "server").splitlines() if line.startswith("process_id"))


class Onlooker(threading.Thread):
    """Looks at the API as often as it can, and writes to it; survives the server's absence."""

    def __init__(self, up: Up) -> None:
        super().__init__(daemon=True)
        self.up = up
        self.is_over = threading.Event()
        self.snapshots = 0
        self.most_unfinished = 0
        self.acknowledged: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        asyncio.run(self.look())

    async def look(self) -> None:
        client = Client(config.load(self.up.kubeconfig))
        number = 0
        while not self.is_over.is_set():
            number += 1
            name = f"note-{number}"
            try:
                body = {"metadata": {"name": name}, "data": {"number": str(number)}}
                await client.create(CONFIG_MAPS, "default", body)
                self.acknowledged.append(name)
                listing = await client.list(JOBS, "default", labels=LABEL)
            except (ApiError, TidegateError):
                await asyncio.sleep(0.05)
                continue
            unfinished = sum(not finished_as(job) for job in listing.items)
            self.snapshots += 1
            self.most_unfinished = max(self.most_unfinished, unfinished)
            await asyncio.sleep(0.02)
        await client.close()


def last_day(files: int) -> date:
    return pipeline_check.FIRST_DAY + timedelta(days=files - 1)


def apply_pipeline(up: Up, files: int, pace_s: float, strategy: Mapping[str, str]) -> None:
    """The example's manifests; only the number of files, the pace of the work and the strategy are ours.

    With a strategy, half of a worker's time passes before it takes a file, and polls are frequent.
    """
    documents = [document.body for document in load((str(ROOT / "examples" / "csv-pipeline"),))]
    for body in documents:
        if body["metadata"]["name"] == "data-generator":
            container = body["spec"]["template"]["spec"]["containers"][0]
            container["env"].append({"name": "LAST_DAY", "value": last_day(files).isoformat()})
        if body["kind"] == "ScaledJob":
            container = body["spec"]["jobTargetRef"]["template"]["spec"]["containers"][0]
            if strategy:
                pace_s /= 2
                script = f'sleep {pace_s:.3f}; exec "$@"'
                container["command"] = ["sh", "-c", script, "sh", *container["command"]]
                body["spec"] |= {"scalingStrategy": dict(strategy), "pollingInterval": 2}
            container["env"].append({"name": "PACE_S", "value": str(pace_s)})
    up.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))


def unfinished_jobs(up: Up) -> list[dict[str, Any]]:
    return [job for job in up.get("jobs", "-l", LABEL)["items"] if not finished_as(job)]


def is_trimmed(up: Up) -> bool:
    """Whether no more Jobs are left than are kept, and no pods of others."""
    jobs = {job["metadata"]["name"] for job in up.get("jobs", "-l", LABEL)["items"]}
    pods = {pod["metadata"]["labels"]["job-name"] for pod in up.get("pods", "-l", LABEL)["items"]}
    return len(jobs) <= JOBS_HISTORY and pods <= jobs


def take_before_a_job(up: Up, redis: Redis) -> int:
    """Takes a message that a Job was started for; how many were faster than we are and did a file again."""
    name = f"{pipeline_check.FIRST_DAY:%Y%m%d}.csv"
    for faster in range(10):
        redis("RPUSH", QUEUE, name)
        up.until("a Job is started for it", lambda: unfinished_jobs(up) != [])
        is_ours = redis.number("LREM", QUEUE, "0", name) == 1
        up.until("its Job has ended", lambda: unfinished_jobs(up) == [])
        if is_ours:
            return faster
    raise AssertionError("workers take a message sooner than their pause ends")


def on_a_worker_of_its_own(strategy: Mapping[str, str], crashes: int, files: int) -> Any:
    name, mark = strategy.get("strategy", "default"), pytest.mark.xdist_group
    if CRASHES:
        crashes, files = CRASHES, ALL_FILES
    return pytest.param(strategy, crashes, files, id=name, marks=mark(f"crash-{name}"))


@pytest.mark.parametrize(
    ("strategy", "crashes", "files"),
    [
        on_a_worker_of_its_own(DEFAULT, 4, ALL_FILES),
        on_a_worker_of_its_own(CUSTOM, 2, SOME_FILES),
        on_a_worker_of_its_own(ACCURATE, 2, SOME_FILES),
        on_a_worker_of_its_own(EAGER, 2, SOME_FILES),
    ],
)
def test_crashes_lose_double_and_orphan_nothing(
    tmp_path: Path, strategy: Mapping[str, str], crashes: int, files: int
) -> None:
    needs_kubectl()
    needs_redis()
    seed = int(os.environ.get("TIDEGATE_SEED", str(random.SystemRandom().randrange(10**6))))
    chance = random.Random(seed)
    print(f"seed {seed}, {crashes} crashes (TIDEGATE_SEED={seed} repeats it)")
    up = Up(tmp_path / "state")
    up.start()
    onlooker = Onlooker(up)
    try:
        # Long enough that every crash hits it at work: six seconds a crash, with five workers.
        apply_pipeline(up, files, crashes * 6 * 5 / files, strategy)
        up.kubectl("rollout", "status", "deployment/redis", "--timeout=30s")
        pod = up.get("pods", "-l", "app=redis")["items"][0]
        redis = Redis(pod["status"]["podIP"])
        first = redis.process_id()
        onlooker.start()

        def is_done() -> bool:
            return (
                finished_as(up.get("job", "data-generator")) == "Complete"
                and redis.number("LLEN", QUEUE) == 0
                and not unfinished_jobs(up)
            )

        done = 0
        for crash in range(crashes):
            time.sleep(chance.uniform(0.2, 3.0))
            up.kill()
            time.sleep(chance.choice((0.0, 0.0, chance.uniform(0.0, 1.5))))
            up.start()
            done = crash + 1
            if is_done():
                break
        print(f"{done} crashes happened before the pipeline was done")
        assert done == crashes, "the pipeline was too fast for this number of crashes"

        up.until("the pipeline is done", is_done, 240)
        is_exact = strategy == DEFAULT
        taken = files if is_exact else files + take_before_a_job(up, redis)
        onlooker.is_over.set()
        onlooker.join(timeout=30)
        up.until("the next poll has trimmed the history", lambda: is_trimmed(up))
        judge(up, onlooker, redis, taken, is_exact=is_exact)
        judge_files(up, files)
        assert redis.process_id() == first, "Redis was restarted"
    finally:
        onlooker.is_over.set()
        if onlooker.is_alive():
            onlooker.join(timeout=30)
        if up.process is None:
            up.start()
        up.kubectl("delete", "scaledjobs,jobs,deployments,pods", "--all", "--timeout=60s", check=False)
        up.end()


def judge(up: Up, onlooker: Onlooker, redis: Redis, taken: int, *, is_exact: bool) -> None:
    created = Counter(
        (notes["tidegate.dev/round"], notes["tidegate.dev/ordinal"])
        for verb, resource, _, _, notes in up.journal()
        if verb == "create" and resource == "jobs.batch" and "tidegate.dev/round" in notes
    )
    assert [place for place, count in created.items() if count > 1] == [], "a Job was created twice"
    reply = redis("GET", f"{QUEUE}:found-empty").splitlines()
    surplus = int(reply[1]) if len(reply) > 1 else 0
    print(f"{len(created)} Jobs, {surplus} of them found the queue empty")
    assert len(created) == taken + surplus, "each Job took a file or found none"
    assert (surplus == 0) == is_exact, "surplus Jobs there, and only there, where it was seen to"
    ends = Counter(finished_as(job) for job in up.get("jobs", "-l", LABEL)["items"])
    assert set(ends) == {"Complete"}, "surplus Jobs succeed too"
    said = up.kubectl("logs", "-l", LABEL, "--tail=-1", "--max-log-requests=200").splitlines()
    assert {line.split(maxsplit=1)[0] for line in said} <= {"processing", "wrote", "the", "this"}, said
    assert onlooker.snapshots > 0
    assert onlooker.most_unfinished <= 5

    pods = {
        pod["metadata"]["uid"]
        for pod in up.get("pods", "-A")["items"]
        if pod["status"].get("phase") not in ("Succeeded", "Failed")
    }
    assert set(up.processes().values()) <= pods, "a process without an owner"

    kept = {one["metadata"]["name"] for one in up.get("configmaps")["items"]}
    assert set(onlooker.acknowledged) - kept == set(), "an acknowledged write is gone"


def judge_files(up: Up, files: int) -> None:
    claim = up.get("pvc", "data-pvc")
    verdict = pipeline_check.check(up.folder / "node" / "volumes" / claim["metadata"]["uid"], last_day(files))
    assert verdict.wrong == []
    assert verdict.files == files
