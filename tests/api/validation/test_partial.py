"""How much of an object that does not fit its kind can be gone by."""

import json

import pytest

from tidegate.api.decode import decode_as
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.partial import read_partly

HPA = "spec.advanced.horizontalPodAutoscalerConfig"


def read(body, last=None, before=None):
    return read_partly(json.dumps(body).encode(), ScaledObject, last, before)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"spec__pollingInterval": "often"}, ["spec.pollingInterval"]),
        ({"spec__advanced": {"horizontalPodAutoscalerConfig": {"behavior": 5}}}, [f"{HPA}.behavior"]),
        ({"spec__advanced": {"horizontalPodAutoscalerConfig": []}}, [HPA]),
        ({"spec__triggers": [{"type": "cron", "metadata": 5}]}, ["spec.triggers[0].metadata"]),
        ({"spec__triggers": [5]}, ["spec.triggers[0]"]),
        ({"spec__triggers": [{"type": "cron", "metadata": {"a": 5}}]}, []),
        ({"spec__cooldownPeriod": "60"}, []),
    ],
)
def test_what_the_number_does_not_hang_on_is_read_beside_the_rest(changes, lost, scaled_object):
    object, misread = read(scaled_object(**changes))
    assert [*misread.lost] == lost
    assert not misread.is_held
    assert misread.problems
    assert object.spec.scale_target_ref.name == scaled_object()["spec"]["scaleTargetRef"]["name"]


@pytest.mark.parametrize(
    "changes",
    [
        {"spec__minReplicaCount": "x"},
        {"spec__maxReplicaCount": 0},
        {"spec__idleReplicaCount": -1},
        {"spec__cooldownPeriod": {}},
        {"spec__advanced": {"scalingModifiers": {"metricType": "Mean"}}},
        {"spec__advanced": {"restoreToOriginalReplicaCount": "sure"}},
        {"spec__fallback": {"replicas": 1, "failureThreshold": 1, "behavior": "guess"}},
        {"spec__triggers": 5},
        {"spec": 5},
        {"metadata__annotations": 5},
    ],
)
def test_what_it_may_hang_on_holds_the_spec(changes, scaled_object):
    body = scaled_object(**changes)
    _, misread = read(body)
    assert misread.is_held
    last = decode_as(ScaledObject, scaled_object(spec__cooldownPeriod=7))
    object, misread = read(body, last)
    assert object.spec.cooldown_period == 7
    assert not misread.is_held
    # What was held is no spec to go by.
    _, held = read(body)
    assert read(body, last, held)[1].is_held


def test_what_was_lost_stays_lost_through_an_edit_that_is_worse(scaled_object):
    behavior = {"horizontalPodAutoscalerConfig": {"behavior": 5}}
    last, before = read(scaled_object(spec__advanced=behavior))
    _, misread = read(scaled_object(spec__maxReplicaCount="x"), last, before)
    assert before.is_hpa_lost
    assert misread.is_hpa_lost


def test_a_namesake_s_spec_and_a_newer_generation_are_not_taken_over(scaled_object):
    last = decode_as(ScaledObject, scaled_object(metadata__uid="u", metadata__generation=1))
    edited = scaled_object(metadata__uid="u", metadata__generation=2, spec__minReplicaCount="x")
    assert read(edited, last)[0].metadata.generation == 1
    other = scaled_object(metadata__uid="v", spec__minReplicaCount="x")
    assert read(other, last)[1].is_held


def test_a_status_that_does_not_fit_is_no_problem_of_its_writer(scaled_object):
    _, misread = read(scaled_object(status={"conditions": "none", "health": 5}))
    assert misread.problems == ()
