"""The schema and the types come from one declaration: what one accepts, the other reads."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.decode import decode
from tidegate.api.schema.structural import apply_defaults, prune
from tidegate.api.validation.problems import problems, schema_of
from tidegate.api.wire import encode

SECRET = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
HEAD = {"apiVersion": "keda.sh/v1alpha1", "metadata": {"name": "x", "namespace": "shop"}}
BODIES = [
    {
        **HEAD,
        "kind": "ScaledObject",
        "spec": {
            "scaleTargetRef": {"name": "web", "kind": "Deployment"},
            "pollingInterval": 5,
            "minReplicaCount": 2,
            "idleReplicaCount": 0,
            "fallback": {"failureThreshold": 1, "replicas": 1},
            "advanced": {
                "restoreToOriginalReplicaCount": True,
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleDown": {
                            "tolerance": "0.1",
                            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                        }
                    }
                },
            },
            "triggers": [{"type": "redis", "metadata": {"a": "b"}, "authenticationRef": {"name": "t"}}],
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "health": {"s0-x": {"numberOfFailures": 1}},
            "lastActiveTime": "2026-01-01T00:00:00Z",
        },
    },
    {
        **HEAD,
        "kind": "ScaledJob",
        "spec": {
            "jobTargetRef": {"template": {"spec": {"containers": [{"name": "c"}]}}, "suspend": False},
            "rollout": {"strategy": "gradual"},
            "scalingStrategy": {"strategy": "custom", "pendingPodConditions": ["Ready"]},
            "triggers": [{"type": "redis", "metadata": {"a": "b"}}],
        },
    },
    {
        **HEAD,
        "kind": "TriggerAuthentication",
        "spec": {
            "podIdentity": {"provider": "aws", "roleArn": "r", "externalID": "e"},
            "secretTargetRef": [{"parameter": "p", "name": "n", "key": "k"}],
            "oauth2": {"clientId": "c", "tokenUrl": "https://t", "clientSecret": SECRET, "scopes": ["a"]},
            "azureKeyVault": {
                "vaultUri": "u",
                "secrets": [{"parameter": "p", "name": "n"}],
                "cloud": {"type": "Private", "keyVaultResourceURL": "u"},
            },
        },
    },
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2**31, 1.5, 2.0, "", "1", "gradual", [], {}, [None], {"a": None}, {"a": "b"}]),
)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


PLACES = [(body, path) for body in BODIES for path in places(body) if path and path[0] in ("spec", "status")]


@given(st.sampled_from(PLACES), VALUES)
def test_what_has_no_problems_can_be_read(place, value):
    body, path = place
    body = copy.deepcopy(body)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    if not problems(body):
        decode(body)


def test_what_is_written_back_is_what_was_read():
    for body in BODIES:
        schema = schema_of(body["kind"])
        read = decode(body)
        written = {"apiVersion": body["apiVersion"], "kind": body["kind"], **encode(read)}
        whole = copy.deepcopy(body)
        apply_defaults(schema, whole)
        apply_defaults(schema, written)
        assert prune(schema, whole) == []
        assert written == whole
