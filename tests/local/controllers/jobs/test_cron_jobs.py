"""CronJobs on a clock that jumps: a Monday from 8:00 UTC on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parts.virtualtime import START
from parts.world import World, die_everywhere
from tidegate.base.times import parse_time
from tidegate.kube.resource import CRON_JOBS, JOBS, PODS
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.jobs.cron_jobs import CronJobs
from tidegate.local.controllers.jobs.jobs import Jobs
from tidegate.local.controllers.owner_references import reference
from tidegate.local.objects import SCHEDULED_AT, Object

MINUTE_S, HOUR_S = 60, 3600


def team(objects, clock):
    garbage = Garbage(objects, clock, lambda: (CRON_JOBS, JOBS, PODS))
    return [CronJobs(objects, clock), Jobs(objects, clock), Scheduler(objects, clock), garbage]


def succeeds_after(seconds: float) -> Any:
    return lambda pod: (seconds, "Succeeded")


def fails(pod: Object) -> Any:
    return (1.0, "Failed")


def cron_job(schedule: str, job: Object | None = None, **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    # The world in memory fills nothing in.
    filled = {"parallelism": 1, "completions": 1, "backoffLimit": 0, "template": template, **(job or {})}
    keeps = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1, "concurrencyPolicy": "Allow"}
    wanted = {"schedule": schedule, "jobTemplate": {"spec": filled}, **keeps, **spec}
    return {"metadata": {"name": "tick", "namespace": "default"}, "spec": wanted}


async def change(world: World, **spec: Any) -> None:
    await world.objects.patch(CRON_JOBS, "default", "tick", {"spec": spec})


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(CRON_JOBS, "default", "tick")
    assert found
    return found.get("status") or {}


def moments(world: World) -> list[str]:
    """For which times of the day there are Jobs, as their annotations say."""
    jobs = world.objects.list(JOBS)
    return sorted(one["metadata"]["annotations"][SCHEDULED_AT][11:] for one in jobs)


def begun(world: World) -> int:
    return len(world.objects.events("SuccessfulCreate"))


def at(hour: int, minute: int = 0) -> str:
    return f"{START:%Y-%m-%d}T{hour:02}:{minute:02}:00Z"


def test_a_job_at_each_moment_and_as_many_ended_ones_as_are_kept(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("*/10 * * * *"))
        await world.pass_s(9 * MINUTE_S)
        assert world.objects.list(JOBS) == []
        await world.pass_s(HOUR_S)
        assert len(world.node.started) == 6
        assert moments(world) == ["08:40:00Z", "08:50:00Z", "09:00:00Z"]
        assert status(world) == {
            "lastScheduleTime": at(9),
            "lastSuccessfulTime": status(world)["lastSuccessfulTime"],
        }
        late_s = (parse_time(status(world)["lastSuccessfulTime"]) - parse_time(at(9))).total_seconds()
        assert 0 <= late_s < MINUTE_S
        minute = int((START + timedelta(hours=1)).timestamp()) // 60
        assert world.objects.get(JOBS, "default", f"tick-{minute}") is not None

    live(scenario, team, succeeds_after(5))


@pytest.mark.parametrize(
    ("zone", "schedule", "moment"),
    [
        ("Europe/Berlin", "30 9 * * *", "2026-01-05T09:30:00+01:00"),
        ("Asia/Kolkata", "0 14 * * *", "2026-01-05T14:00:00+05:30"),
        (None, "30 8 * * *", "2026-01-05T08:30:00Z"),
    ],
)
def test_the_schedule_is_that_of_its_zone(live, zone, schedule, moment):
    async def scenario(world: World) -> None:
        body = cron_job(schedule, **({"timeZone": zone} if zone else {}))
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(29 * MINUTE_S)
        assert world.objects.list(JOBS) == []
        await world.pass_s(2 * MINUTE_S)
        [job] = world.objects.list(JOBS)
        assert job["metadata"]["annotations"][SCHEDULED_AT] == moment

    live(scenario, team, succeeds_after(5))


def test_summer_time_neither_doubles_nor_shifts_a_job_of_the_day(live):
    async def scenario(world: World) -> None:
        # The clock of Berlin goes from 2:00 to 3:00 on 29 March.
        world.clock.shift = datetime(2026, 3, 28, 5, 30, tzinfo=UTC) - START
        body = cron_job("0 7 * * *", timeZone="Europe/Berlin", successfulJobsHistoryLimit=9)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(48 * HOUR_S)
        dues = sorted(one["metadata"]["annotations"][SCHEDULED_AT] for one in world.objects.list(JOBS))
        assert dues == ["2026-03-28T07:00:00+01:00", "2026-03-29T07:00:00+02:00", "2026-03-30T07:00:00+02:00"]

    live(scenario, team, succeeds_after(5))


@pytest.mark.parametrize(
    ("policy", "most", "started", "replaced"), [("Allow", 3, 6, 0), ("Forbid", 1, 3, 0), ("Replace", 2, 6, 5)]
)
def test_what_becomes_of_a_job_that_still_runs_at_the_next_moment(live, policy, most, started, replaced):
    async def scenario(world: World) -> None:
        body = cron_job("*/10 * * * *", concurrencyPolicy=policy)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(62 * MINUTE_S)
        assert begun(world) - len(world.node.started) == started
        assert world.node.most_at_once <= most
        deleted = [one for one in world.objects.events("SuccessfulDelete") if one.startswith("Deleted job")]
        assert len(deleted) == replaced
        running = status(world)["active"]
        assert [one["kind"] for one in running] == ["Job"] * (most if policy == "Allow" else 1)

    live(scenario, team, succeeds_after(25 * MINUTE_S))


def test_a_forbidden_moment_is_made_up_for_when_the_one_before_ends_if_its_deadline_allows(live):
    async def scenario(world: World) -> None:
        body = cron_job("*/10 * * * *", concurrencyPolicy="Forbid", startingDeadlineSeconds=120)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(24 * MINUTE_S)
        # That of 8:20 began at 8:21, when the one of 8:10 had ended.
        assert moments(world) == ["08:10:00Z", "08:20:00Z"]

    live(scenario, team, succeeds_after(11 * MINUTE_S))


def test_a_suspended_one_waits_and_starts_what_it_missed_once(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("*/10 * * * *", suspend=True))
        await world.pass_s(HOUR_S + 5 * MINUTE_S)
        assert world.objects.list(JOBS) == []
        await change(world, suspend=False)
        await world.pass_s(MINUTE_S)
        assert moments(world) == ["09:00:00Z"]

    live(scenario, team, succeeds_after(5))


def test_what_is_too_late_is_told_and_not_started(live):
    async def scenario(world: World) -> None:
        body = cron_job("0 * * * *", suspend=True, startingDeadlineSeconds=60)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(HOUR_S + 5 * MINUTE_S)
        await change(world, suspend=False)
        await world.pass_s(MINUTE_S)
        assert world.objects.list(JOBS) == []
        assert world.objects.events("MissSchedule") == [
            "Missed scheduled time to start a job: Mon, 05 Jan 2026 09:00:00 +0000"
        ]
        await world.pass_s(HOUR_S)
        assert moments(world) == ["10:00:00Z"]

    live(scenario, team, succeeds_after(5))


def test_after_a_long_absence_the_last_moment_alone_is_made_up_for(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("* * * * *"))
        await world.pass_s(90)
        await world.kill()
        await world.clock.sleep(30 * 24 * HOUR_S)
        world.start()
        await world.pass_s(1)
        assert begun(world) - len(world.node.started) == 2
        assert len(world.objects.events("TooManyMissedTimes")) == 1

    live(scenario, team, succeeds_after(5))


def test_failed_jobs_have_a_history_of_their_own(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("*/10 * * * *", failedJobsHistoryLimit=2))
        await world.pass_s(HOUR_S)
        assert moments(world) == ["08:40:00Z", "08:50:00Z"]
        assert "lastSuccessfulTime" not in status(world)

    live(scenario, team, fails)


def test_a_job_made_by_hand_runs_beside_it_and_goes_with_the_history(live):
    async def scenario(world: World) -> None:
        body = cron_job("0 * * * *", concurrencyPolicy="Forbid", successfulJobsHistoryLimit=1)
        cron = await world.objects.create(CRON_JOBS, body)
        metadata = {
            "name": "by-hand",
            "namespace": "default",
            "ownerReferences": [reference(CRON_JOBS, cron)],
        }
        await world.objects.create(JOBS, {"metadata": metadata, "spec": cron["spec"]["jobTemplate"]["spec"]})
        await world.pass_s(HOUR_S + MINUTE_S)
        assert "active" not in status(world)
        assert [one["metadata"]["name"] for one in world.objects.list(JOBS)] != ["by-hand"]
        assert "by-hand" in world.objects.events("UnexpectedJob")[0]

    live(scenario, team, succeeds_after(5))


def test_every_so_often_counts_from_the_time_before(live):
    async def scenario(world: World) -> None:
        body = cron_job("@every 25m", successfulJobsHistoryLimit=9)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(80 * MINUTE_S)
        assert moments(world) == ["08:25:00Z", "08:50:00Z", "09:15:00Z"]

    live(scenario, team, succeeds_after(5))


def test_a_new_schedule_counts_at_once_and_what_it_leaves_goes_with_it(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("0 0 1 1 *"))
        await world.pass_s(HOUR_S)
        await change(world, schedule="30 * * * *")
        await world.pass_s(40 * MINUTE_S)
        assert moments(world) == ["09:30:00Z"]
        await world.objects.delete(CRON_JOBS, "default", "tick")
        await world.pass_s(MINUTE_S)
        assert (world.objects.list(JOBS), world.objects.list(PODS)) == ([], [])

    live(scenario, team, succeeds_after(5))


def test_a_job_of_somebody_else_under_its_name_is_told(live):
    async def scenario(world: World) -> None:
        minute = int((START + timedelta(hours=1)).timestamp()) // 60
        body = cron_job("0 * * * *")
        metadata = {"name": f"tick-{minute}", "namespace": "default"}
        await world.objects.create(JOBS, {"metadata": metadata, "spec": body["spec"]["jobTemplate"]["spec"]})
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(HOUR_S + MINUTE_S)
        assert "already exists" in world.objects.events("FailedCreate")[0]
        assert "lastScheduleTime" not in status(world)

    live(scenario, team, succeeds_after(5))


def test_between_its_moments_it_writes_nothing(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CRON_JOBS, cron_job("0 * * * *"))
        await world.pass_s(HOUR_S + 5 * MINUTE_S)
        assert await world.writes_at_rest(50 * MINUTE_S) == 0

    live(scenario, team, succeeds_after(5))


@pytest.mark.parametrize(
    ("kept", "job"),
    [(3, {}), (0, {}), (3, {"ttlSecondsAfterFinished": 0})],
    ids=["kept", "none-kept", "ttl-0"],
)
def test_killed_at_any_write_each_moment_has_its_job_once(kept, job):
    async def begin(world: World) -> None:
        body = cron_job("*/10 * * * *", job, successfulJobsHistoryLimit=kept)
        await world.objects.create(CRON_JOBS, body)
        await world.pass_s(10 * MINUTE_S - 1)

    async def check(world: World) -> None:
        await world.pass_s(13 * MINUTE_S)
        assert len(world.node.started) == len(set(world.node.started)) == 2
        assert status(world)["lastScheduleTime"] == at(8, 20)

    assert die_everywhere(begin, check, team, succeeds_after(5), lifetime_s=120) > 6


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_killed_at_any_write_two_never_run_at_once(policy):
    async def begin(world: World) -> None:
        body = cron_job("*/10 * * * *", concurrencyPolicy=policy)
        world.node.ending_s = 0.5
        await world.objects.create(CRON_JOBS, body)
        world.start()
        await world.pass_s(20 * MINUTE_S - 1)
        await world.kill()

    async def check(world: World) -> None:
        await world.pass_s(15 * MINUTE_S)
        [active] = status(world)["active"]
        assert world.objects.get(JOBS, "default", active["name"]) is not None
        assert len(world.node.started) == len(set(world.node.started))

    assert (
        die_everywhere(begin, check, team, succeeds_after(14 * MINUTE_S), lifetime_s=90)
        > (2, 6)[policy == "Replace"]
    )
