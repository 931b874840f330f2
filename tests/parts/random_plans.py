"""Random worlds as hypothesis draws them; fewer and rounder while it looks for the least that fails."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from parts.cluster import Object
from parts.world_client import BROKER_TROUBLES, REFUSALS, WRITES
from parts.world_happenings import (
    RESOURCES,
    Annotate,
    BrokerIs,
    CutWatches,
    Delete,
    DeleteJobs,
    DoubleEvents,
    Drain,
    Edit,
    EditHpa,
    Happening,
    Kill,
    Lag,
    Lists,
    Password,
    Plan,
    Push,
    RefuseWrites,
    ScaleTarget,
    SetClock,
    SlowWrites,
    Takeover,
)

GAPS_S = st.sampled_from([1.0, 0.0, 0.3, 6.0, 40.0, 40.0, 150.0, 700.0, 4_000.0])
FEW = st.sampled_from([1, 2, 3, 5])
LISTS = st.sampled_from(["jobs", "jobs", "jobs", "mails"])
KINDS = st.sampled_from(["", *RESOURCES])
SWITCHES = st.sampled_from(["paused", "paused-scale-in", "paused-scale-out", "force-activation"])
CLOCK_S = st.sampled_from([2.0, -2.0, 45.0, -45.0, 3_600.0, -3_600.0, 90_000.0])


def trigger(list_name: str, length: int, activation: int, is_broken: bool) -> Object:
    metadata = {
        "address": "redis:6379",
        "listName": list_name,
        "listLength": "ten" if is_broken else str(length),
    }
    if activation:
        metadata["activationListLength"] = str(activation)
    return {"type": "redis", "metadata": metadata, "authenticationRef": {"name": "login"}}


TRIGGERS = st.lists(
    st.builds(
        trigger,
        LISTS,
        st.sampled_from([1, 1, 2, 5]),
        st.sampled_from([0, 0, 3]),
        st.sampled_from([False] * 9 + [True]),
    ),
    min_size=1,
    max_size=2,
)
FALLBACKS = st.builds(
    lambda behavior, threshold, replicas: {
        "behavior": behavior,
        "failureThreshold": threshold,
        "replicas": replicas,
    },
    st.sampled_from(["static", "currentReplicas", "currentReplicasIfHigher"]),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 2, 6]),
)
OBJECT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "minReplicaCount": st.sampled_from([0, 0, 1, 2]),
    "maxReplicaCount": st.sampled_from([5, 2, 3, 9]),
    # Any other idle count is at war with the HPA, in KEDA too.
    "idleReplicaCount": st.sampled_from([None, None, 0]),
    "pollingInterval": st.sampled_from([20, 5, 60]),
    "cooldownPeriod": st.sampled_from([60, 0, 5, 300]),
    "initialCooldownPeriod": st.sampled_from([None, None, 100]),
    "fallback": st.one_of(st.none(), st.none(), FALLBACKS),
    "triggers": TRIGGERS,
    "advanced": st.sampled_from(
        [
            None,
            {"restoreToOriginalReplicaCount": True},
            {"horizontalPodAutoscalerConfig": {"name": "other"}},
            {"horizontalPodAutoscalerConfig": {"name": None}},
        ]
    ),
}
JOB_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "minReplicaCount": st.sampled_from([0, 0, 0, 2]),
    "maxReplicaCount": st.sampled_from([5, 2, 1, None]),
    "pollingInterval": st.sampled_from([20, 5, 60]),
    "successfulJobsHistoryLimit": st.sampled_from([None, 3, 0]),
    "failedJobsHistoryLimit": st.sampled_from([None, 1, 0]),
    "triggers": TRIGGERS,
    "scalingStrategy": st.sampled_from(
        [
            None,
            {"strategy": "default"},
            {"strategy": "accurate"},
            {"strategy": "eager"},
            {"strategy": "custom", "customScalingRunningJobPercentage": "0.5"},
            {"strategy": "custom", "customScalingRunningJobPercentage": "0"},
            {"strategy": "default", "multipleScalersCalculation": "sum"},
        ]
    ),
    "rollout": st.sampled_from(
        [None, None, {"strategy": "immediate"}, {"strategy": "immediate", "propagationPolicy": "foreground"}]
    ),
}


def edits(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Happening]:
    """One or two fields at once."""
    one = st.one_of([value.map(lambda v, name=name: {name: v}) for name, value in fields.items()])  # type: ignore[misc]
    return st.lists(one, min_size=1, max_size=2).map(
        lambda parts: Edit({key: value for part in parts for key, value in part.items()})
    )


COMMON: list[st.SearchStrategy[Happening]] = [
    st.builds(Push, LISTS, st.sampled_from([1, 2, 4, 9])),
    st.builds(Push, LISTS, st.sampled_from([1, 2, 4, 9])),
    st.builds(BrokerIs, st.sampled_from(["", *BROKER_TROUBLES])),
    st.builds(BrokerIs, st.just(""), st.sampled_from([0.001, 0.7, 15.0])),
    st.builds(Password, st.sampled_from(["right", "wrong"])),
    st.builds(Annotate, SWITCHES, st.sampled_from([None, "true"])),
    st.builds(Lag, st.sampled_from([0.0, 0.1, 3.0, 45.0]), KINDS),
    st.builds(CutWatches, st.booleans()),
    st.builds(DoubleEvents, st.booleans()),
    st.builds(
        Lists,
        st.sampled_from([0.0, 2.0, 30.0]),
        st.lists(st.sampled_from([*RESOURCES]), max_size=2).map(tuple),
    ),
    st.builds(SlowWrites, st.sampled_from([0.0, 0.05, 2.0])),
    st.builds(RefuseWrites, st.sampled_from(REFUSALS), st.sampled_from([*WRITES]), FEW),
    st.builds(Kill, st.integers(0, 6), st.booleans(), st.sampled_from([0.0, 1.0, 30.0, 900.0])),
    st.builds(Kill, st.integers(0, 6), st.booleans(), st.sampled_from([0.0, 1.0, 30.0, 900.0])),
    st.builds(SetClock, CLOCK_S),
]
OBJECT_HAPPENINGS = st.one_of(
    *COMMON,
    st.builds(Drain, LISTS),
    st.builds(Drain, LISTS),
    edits(OBJECT_FIELDS),
    st.builds(Annotate, st.just("paused-replicas"), st.sampled_from([None, "0", "3", "many"])),
    st.builds(Takeover, st.sampled_from([0.0, 5.0, 100.0])),
    st.builds(Delete, st.sampled_from(["subject", "target", "hpa"]), st.sampled_from([0.0, 1.0, 90.0])),
    st.builds(ScaleTarget, st.sampled_from([0, 1, 4, 12])),
    st.builds(EditHpa, st.sampled_from([1, 50])),
)
PUSHES = st.builds(Push, st.just("jobs"), st.sampled_from([1, 2, 4, 9]))
JOB_HAPPENINGS = st.one_of(
    *COMMON,
    st.builds(Drain, LISTS),
    PUSHES,
    PUSHES,
    PUSHES,
    edits(JOB_FIELDS),
    st.builds(Takeover, st.sampled_from([0.0, 5.0])),
    st.builds(Delete, st.just("subject"), st.sampled_from([0.0, 1.0, 90.0])),
    st.builds(DeleteJobs, FEW),
)


# One Job for each message: no minimum, no other list, nobody else who takes messages.
WORK_FIELDS = {
    **{name: JOB_FIELDS[name] for name in JOB_FIELDS if name.endswith("Limit") or name == "rollout"},
    "maxReplicaCount": st.sampled_from([5, 2, 1]),
    "pollingInterval": JOB_FIELDS["pollingInterval"],
    "triggers": st.builds(
        trigger, st.just("jobs"), st.sampled_from([1, 1, 2]), st.just(0), st.just(False)
    ).map(lambda one: [one]),
}
WORK_HAPPENINGS = st.one_of(
    *COMMON,
    PUSHES,
    PUSHES,
    edits(WORK_FIELDS),
    st.builds(Delete, st.just("subject"), st.sampled_from([0.0, 1.0, 90.0])),
    st.builds(DeleteJobs, FEW),
)
DRAWN = {
    "object": (OBJECT_FIELDS, OBJECT_HAPPENINGS),
    "job": (JOB_FIELDS, JOB_HAPPENINGS),
    "work": (WORK_FIELDS, WORK_HAPPENINGS),
}


def plans(kind: str, least: int = 0, most: int = 30) -> st.SearchStrategy[Plan]:
    """Worlds of a ScaledObject ("object"), of a ScaledJob ("job"), of one with a Job per message ("work")."""
    fields, happenings = DRAWN[kind]
    return st.builds(
        Plan,
        kind=st.just(kind),
        spec=st.fixed_dictionaries(
            {"triggers": fields["triggers"]},
            optional={name: one for name, one in fields.items() if name != "triggers"},
        ).map(written),
        replicas=st.sampled_from([0, 1, 4]) if kind == "object" else st.just(0),
        seed=st.integers(0, 999),
        happenings=st.lists(st.tuples(GAPS_S, happenings), min_size=least, max_size=most).map(tuple),
    )


def written(spec: Object) -> Object:
    """Without the fields that are not set, and an idle count that admission would refuse."""
    spec = {key: value for key, value in spec.items() if value is not None}
    if "minReplicaCount" not in spec:
        spec.pop("idleReplicaCount", None)
    if spec.get("minReplicaCount", 0) > (spec.get("maxReplicaCount") or 100):
        spec["minReplicaCount"] = 1
    return spec
