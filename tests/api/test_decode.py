import msgspec
import pytest

from tidegate.api.decode import KINDS, decode, decode_as
from tidegate.api.hpa import decode_hpa_spec
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.wire import encode
from tidegate.base.errors import Misconfigured


@pytest.mark.parametrize("form", ["bytes", "dictionary"])
def test_an_object_is_read_by_its_kind(form, scaled_object, scaled_job, trigger_authentication):
    bodies = [scaled_object(), scaled_job(), trigger_authentication()]
    bodies.append(trigger_authentication(kind="ClusterTriggerAuthentication"))
    read = [decode(msgspec.json.encode(body) if form == "bytes" else body) for body in bodies]
    assert [type(one) for one in read] == [
        ScaledObject,
        ScaledJob,
        TriggerAuthentication,
        ClusterTriggerAuthentication,
    ]
    assert [one.metadata.name for one in read] == ["web", "worker", "redis", "redis"]


def test_every_written_field_of_a_scaled_object_is_read():
    spec = {
        "scaleTargetRef": {
            "name": "web",
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "envSourceContainerName": "main",
        },
        "pollingInterval": 5,
        "initialCooldownPeriod": 6,
        "cooldownPeriod": 7,
        "idleReplicaCount": 0,
        "minReplicaCount": 2,
        "maxReplicaCount": 9,
        "fallback": {"failureThreshold": 3, "replicas": 4, "behavior": "currentReplicas"},
        "advanced": {
            "restoreToOriginalReplicaCount": True,
            "horizontalPodAutoscalerConfig": {
                "name": "mine",
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 0,
                        "selectPolicy": "Min",
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                        "tolerance": "0.05",
                    },
                    "scaleUp": {"selectPolicy": "Disabled"},
                },
            },
            "scalingModifiers": {
                "formula": "a + b",
                "target": "2",
                "activationTarget": "1",
                "metricType": "Value",
            },
        },
        "triggers": [
            {
                "type": "redis",
                "name": "a",
                "metadata": {"listName": "jobs"},
                "authenticationRef": {"name": "redis", "kind": "ClusterTriggerAuthentication"},
                "metricType": "Value",
                "useCachedMetrics": True,
            }
        ],
    }
    read = decode_as(ScaledObject, {"metadata": {"name": "web"}, "spec": spec})
    assert encode(read.spec) == spec


def test_every_written_status_field_is_read_and_written_under_its_own_name():
    status = {
        "scaleTargetKind": "apps/v1.Deployment",
        "scaleTargetGVKR": {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "resource": "deployments",
        },
        "originalReplicaCount": 1,
        "lastActiveTime": "2026-01-01T00:00:00Z",
        "externalMetricNames": ["s0-x"],
        "resourceMetricNames": ["cpu"],
        "compositeScalerName": "composite-metric",
        "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "m"}],
        "health": {"s0-x": {"numberOfFailures": 2, "status": "Failing"}},
        "triggersActivity": {"s0-x": {"isActive": False}},
        "pausedReplicaCount": 0,
        "hpaName": "keda-hpa-web",
        "triggersTypes": "redis",
        "authenticationsTypes": "redis",
    }
    body = {
        "metadata": {},
        "spec": {"scaleTargetRef": {"name": "w"}, "triggers": [{"type": "x", "metadata": {}}]},
    }
    assert encode(decode_as(ScaledObject, {**body, "status": status}).status) == status


def test_explicit_nulls_are_absent(scaled_object):
    body = scaled_object(status=None)
    body["metadata"] |= {"labels": None, "annotations": {"a": None, "b": "c"}, "deletionTimestamp": None}
    body["spec"] |= {"fallback": None, "pollingInterval": None}
    body["spec"]["triggers"][0]["authenticationRef"] = None
    for raw in (body, msgspec.json.encode(body)):
        read = decode(raw)
        assert read.metadata.annotations == {"b": "c"}
        assert read.metadata.labels == {}
        assert read.spec.fallback is None
        assert read.spec.polling_s == 30
        assert read.status.conditions == ()


def test_a_whole_float_is_an_integer(scaled_object):
    body = scaled_object(spec__pollingInterval=5.0)
    assert decode(body).spec.polling_interval == 5
    assert decode(msgspec.json.encode(body)).spec.polling_interval == 5


def test_a_job_template_survives_with_what_we_do_not_know(scaled_job):
    target = {
        "suspend": False,
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": 60,
        "podFailurePolicy": {"rules": [{"action": "Ignore"}]},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [], "fromTheFuture": [None, 1.5]},
        },
    }
    assert decode(scaled_job(spec__jobTargetRef=target)).spec.job_target_ref.job_spec() == target


def test_a_named_job_is_no_part_of_the_job_spec(scaled_job):
    target = decode(
        scaled_job(spec__jobTargetRef={"apiVersion": "batch/v1", "kind": "Job", "name": "template"})
    ).spec.job_target_ref
    assert target.name == "template"
    assert target.job_spec() == {}


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("polling_s", 30),
        ("cooldown_s", 300),
        ("replicas_min", 0),
        ("replicas_max", 100),
    ],
)
def test_what_is_not_written_has_the_documented_default(path, read, scaled_object):
    assert getattr(decode(scaled_object()).spec, path) == read


def test_a_written_zero_is_not_the_default(scaled_object):
    assert decode(scaled_object(spec__cooldownPeriod=0)).spec.cooldown_s == 0


def test_the_least_number_of_jobs_never_exceeds_the_most(scaled_job):
    assert decode(scaled_job(spec__minReplicaCount=9, spec__maxReplicaCount=4)).spec.replicas_min == 4


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        ({}, 'kind "" is none of ours'),
        ({"apiVersion": "v1", "kind": "ScaledObject"}, 'apiVersion "v1"'),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "Pod"}, 'kind "Pod"'),
    ],
)
def test_what_is_none_of_our_objects_gets_its_cause(raw, cause):
    with pytest.raises(Misconfigured, match=cause):
        decode(raw)


def test_what_does_not_fit_names_the_object_and_the_field(scaled_object):
    with pytest.raises(Misconfigured, match=r"ScaledObject shop/web.*spec\.minReplicaCount"):
        decode(scaled_object(spec__minReplicaCount="two"))
    with pytest.raises(Misconfigured, match=r"ScaledObject shop/web.*spec\.minReplicaCount"):
        decode(msgspec.json.encode(scaled_object(spec__minReplicaCount="two")))


def test_each_kind_is_known_by_its_name():
    assert list(KINDS) == [
        "ScaledObject",
        "ScaledJob",
        "TriggerAuthentication",
        "ClusterTriggerAuthentication",
        "CloudEventSource",
        "ClusterCloudEventSource",
    ]


def test_an_hpa_spec_is_typed():
    spec = decode_hpa_spec(
        {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": None,
            "maxReplicas": 10,
            "metrics": [
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": "s0-x", "selector": {"matchLabels": {"a": "b"}}},
                        "target": {"type": "AverageValue", "averageValue": "5"},
                    },
                },
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                },
            ],
            "behavior": {"scaleUp": {"tolerance": 0.1, "stabilizationWindowSeconds": None}},
        }
    )
    assert spec.min_replicas is None
    assert spec.metrics[0].external.target.average_value == "5"
    assert spec.metrics[1].resource.target.average_utilization == 50
    assert spec.behavior.scale_up.tolerance == 0.1


def test_an_hpa_spec_that_does_not_fit_names_the_field():
    with pytest.raises(ValueError, match="maxReplicas"):
        decode_hpa_spec({"maxReplicas": "ten"})
