import copy

import pytest

from tidegate.api.validation.problems import problems


def lines(body):
    return [str(problem) for problem in problems(body)]


def paths(body):
    return [problem.path for problem in problems(body)]


def cpu(**more):
    return {"type": "cpu", "metadata": {"value": "50"}, "metricType": "Utilization", **more}


def cron(**more):
    return {"type": "cron", "metadata": {}, **more}


def test_good_objects_have_no_problems(scaled_object, scaled_job, trigger_authentication):
    for body in (scaled_object(), scaled_job(), trigger_authentication()):
        assert lines(body) == []
    assert lines(trigger_authentication(kind="ClusterTriggerAuthentication")) == []


def test_several_mistakes_come_in_one_answer_each_with_its_path_and_value(scaled_object):
    body = scaled_object(
        spec__pollingInterval=0,
        spec__minReplicaCount=5,
        spec__maxReplicaCount=2,
        spec__triggers=[cron(name="a"), {"type": "", "metadata": {"value": 1}, "name": "a"}],
    )
    where, type, value = "spec.pollingInterval", "spec.triggers[1].type", "spec.triggers[1].metadata.value"
    assert sorted(lines(body)) == [
        "spec.minReplicaCount: Invalid value: 5: "
        "minReplicaCount must be less than or equal to maxReplicaCount (2)",
        f"{where}: Invalid value: 0: {where} in body should be greater than or equal to 1",
        f'{value}: Invalid value: 1: {value} in body must be of type string: "integer"',
        'spec.triggers[1].name: Duplicate value: "a": triggerName "a" is defined multiple times in the '
        "ScaledObject/ScaledJob, but it must be unique",
        f'{type}: Invalid value: "": {type} in body should be at least 1 chars long',
    ]


def behavior(**rules):
    return {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": rules}}}


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"spec__triggers": []}, "spec.triggers", "spec.triggers in body should have at least 1 items"),
        ({"spec__triggers": None}, "spec.triggers", "Required value"),
        ({"spec": {}}, "spec.scaleTargetRef", "Required value"),
        ({"spec__scaleTargetRef": {"name": ""}}, "spec.scaleTargetRef.name", "at least 1 chars"),
        ({"spec__pollingInterval": "5"}, "spec.pollingInterval", 'must be of type integer: "string"'),
        (
            {"spec__minReplicaCount": 101},
            "spec.minReplicaCount",
            "less than or equal to maxReplicaCount (100)",
        ),
        ({"spec__idleReplicaCount": 0}, "spec.idleReplicaCount", "IdleReplicaCount=0 must be less than"),
        (
            {"spec__minReplicaCount": 2, "spec__idleReplicaCount": 2},
            "spec.idleReplicaCount",
            "IdleReplicaCount=2 must be less than MinReplicaCount=2",
        ),
        (
            {"spec__triggers": [cron(useCachedMetrics=True)]},
            "spec.triggers[0].useCachedMetrics",
            'property "useCachedMetrics" is not supported for "cron" scaler',
        ),
        (
            {"spec__fallback": {"failureThreshold": -1, "replicas": 1}},
            "spec.fallback.failureThreshold",
            "greater than or equal to 0",
        ),
        (
            {"spec__fallback": {"failureThreshold": 1, "replicas": -1}},
            "spec.fallback.replicas",
            "greater than or equal to 0",
        ),
        (
            {"spec__fallback": {"failureThreshold": 1, "replicas": 1, "behavior": "other"}},
            "spec.fallback.behavior",
            'Unsupported value: "other"',
        ),
        (
            {"spec__fallback": {"failureThreshold": 1, "replicas": 1, "behavior": "scalingModifiers"}},
            "spec.fallback.behavior",
            "requires scalingModifiers.formula",
        ),
        (
            {
                "spec__triggers": [cpu()],
                "spec__minReplicaCount": 1,
                "spec__fallback": {"failureThreshold": 1, "replicas": 1},
            },
            "spec.fallback",
            "neither cpu nor memory",
        ),
        ({"spec__triggers": [cpu()]}, "spec.minReplicaCount", "only cpu/memory triggers AND minReplica is 0"),
        (
            {"spec__advanced": {"scalingModifiers": {"target": "2"}}},
            "spec.advanced.scalingModifiers.formula",
            "Required value",
        ),
        (
            {"spec__advanced": {"scalingModifiers": {"formula": "a"}}},
            "spec.advanced.scalingModifiers.target",
            "formula is given but target is empty",
        ),
        (
            {"spec__advanced": {"scalingModifiers": {"formula": "a", "target": "0"}}},
            "spec.advanced.scalingModifiers.target",
            'Invalid value: "0": must be a number above 0',
        ),
        (
            {"spec__advanced": {"scalingModifiers": {"formula": "a", "target": "nan"}}},
            "spec.advanced.scalingModifiers.target",
            "must be a number above 0",
        ),
        (
            {"spec__advanced": behavior(tolerance="a tenth")},
            "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.tolerance",
            "should match",
        ),
        ({"metadata__name": "a" * 64}, "metadata.name", "no more than 63"),
        ({"metadata__name": "a" * 60}, "metadata.name", "use at most 54"),
        ({"metadata__name": "a" * 55}, "metadata.name", "use at most 54"),
        (
            {"spec__advanced": {"horizontalPodAutoscalerConfig": {"name": "h" * 64}}},
            "spec.advanced.horizontalPodAutoscalerConfig.name",
            "no more than 63",
        ),
        *(
            (
                {"spec__advanced": {"horizontalPodAutoscalerConfig": {"name": name}}},
                "spec.advanced.horizontalPodAutoscalerConfig.name",
                "must be a lowercase RFC 1123 subdomain",
            )
            for name in ("Web_HPA", "web/hpa", "-web", "web.", " web", "größe")
        ),
    ],
)
def test_what_a_scaled_object_is_refused_for(changes, path, text, scaled_object):
    found = {problem.path: problem.message for problem in problems(scaled_object(**changes))}
    assert path in found
    assert text in found[path]


@pytest.mark.parametrize(
    "changes",
    [
        {"spec__minReplicaCount": 0, "spec__idleReplicaCount": 0},
        {"spec__minReplicaCount": 2, "spec__idleReplicaCount": 1},
        {"spec__minReplicaCount": 100},
        {"spec__triggers": [cpu()], "spec__minReplicaCount": 1},
        {"spec__triggers": [cpu(), cron()]},
        {"spec__triggers": [cpu()], "spec__scaleTargetRef": {"name": "w", "kind": "Rollout"}},
        {"spec__triggers": [cpu()], "spec__scaleTargetRef": {"name": "w", "apiVersion": "example.com/v1"}},
        {"spec__triggers": [{"type": "redis", "metadata": {}, "useCachedMetrics": True}]},
        {"spec__triggers": [cron(name=""), cron(name=""), cron()]},
        {"spec__fallback": {"failureThreshold": 0, "replicas": 0}, "spec__triggers": [cpu(), cron()]},
        {
            "spec__fallback": {"failureThreshold": 1, "replicas": 1},
            "spec__triggers": [cron(metricType="Value"), cron(metricType="AverageValue"), cron()],
        },
        {
            "spec__fallback": {"failureThreshold": 1, "replicas": 1},
            "spec__triggers": [cpu()],
            "spec__minReplicaCount": 1,
            "spec__advanced": {"scalingModifiers": {"formula": "1", "target": "2"}},
        },
        {"spec__advanced": behavior(tolerance="0.05", stabilizationWindowSeconds=3600)},
        {"spec__advanced": behavior(tolerance=1)},
        {"metadata__name": "a" * 54},
        {
            "metadata__name": "a" * 63,
            "spec__advanced": {"horizontalPodAutoscalerConfig": {"name": "mine"}},
        },
        {"spec__unknownField": {"anything": 1}},
        {"spec__triggers": [{"type": "redis", "metadata": {"listLength": "ten"}}]},
        {"spec__pollingInterval": None, "spec__fallback": None, "status": None},
    ],
)
def test_what_a_scaled_object_is_not_refused_for(changes, scaled_object):
    assert lines(scaled_object(**changes)) == []


def test_judging_changes_nothing(scaled_object):
    body = scaled_object(spec__unknownField=1, spec__fallback={"failureThreshold": 1, "replicas": 1})
    before = copy.deepcopy(body)
    problems(body)
    assert body == before


POD = {"containers": [{"name": "w", "image": "busybox"}]}


@pytest.mark.parametrize(
    ("target", "path", "text"),
    [
        ({}, "spec.jobTargetRef.template", "Required value"),
        ({"parallelism": 1}, "spec.jobTargetRef.template", "Required value"),
        ({"kind": "Deployment", "name": "x"}, "spec.jobTargetRef.kind", 'Unsupported value: "Deployment"'),
        ({"template": {}}, "spec.jobTargetRef.template.spec", "Required value"),
        ({"template": {"spec": {}}}, "spec.jobTargetRef.template.spec.containers", "Required value"),
        (
            {"template": {"spec": {"containers": []}}},
            "spec.jobTargetRef.template.spec.containers",
            "at least 1 items",
        ),
        (
            {"template": {"spec": {"containers": [{"image": "x"}]}}},
            "spec.jobTargetRef.template.spec.containers[0].name",
            "Required value",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "W"}]}}},
            "spec.jobTargetRef.template.spec.containers[0].name",
            "lower case",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "w"}, {"name": "w"}]}}},
            "spec.jobTargetRef.template.spec.containers[1].name",
            "Duplicate value",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "w", "env": [{"name": "A", "value": 1}]}]}}},
            "spec.jobTargetRef.template.spec.containers[0].env[0].value",
            'must be of type string: "integer"',
        ),
        (
            {"template": {"spec": {**POD, "restartPolicy": "Always"}}},
            "spec.jobTargetRef.template.spec.restartPolicy",
            'Unsupported value: "Always"',
        ),
        (
            {
                "template": {
                    "spec": {
                        "containers": [{"name": "w", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
                    }
                }
            },
            "spec.jobTargetRef.template.spec.containers[0].volumeMounts[0].name",
            'Not found: "v"',
        ),
        ({"template": {"spec": POD}, "backoffLimit": "3"}, "spec.jobTargetRef.backoffLimit", "integer"),
    ],
)
def test_what_a_job_template_is_refused_for(target, path, text, scaled_job):
    found = {problem.path: problem.message for problem in problems(scaled_job(spec__jobTargetRef=target))}
    assert path in found
    assert text in found[path]


@pytest.mark.parametrize("policy", ["OnFailure", "Never", ""])
def test_a_restart_policy_of_a_job_template_may_be_empty(policy, scaled_job):
    target = {"template": {"spec": {**POD, "restartPolicy": policy}}}
    assert list(problems(scaled_job(spec__jobTargetRef=target))) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"spec__triggers": []}, "spec.triggers"),
        ({"spec__rolloutStrategy": "default"}, "spec.rolloutStrategy"),
        ({"spec__rollout": {"strategy": "default"}}, "spec.rollout.strategy"),
        ({"spec__scalingStrategy": {"strategy": "fast"}}, "spec.scalingStrategy.strategy"),
        ({"spec__maxReplicaCount": 0}, "spec.maxReplicaCount"),
        ({"metadata__name": "a" * 64}, "metadata.name"),
        ({"spec": None}, "spec"),
    ],
)
def test_what_a_scaled_job_is_refused_for(changes, path, scaled_job):
    assert path in paths(scaled_job(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"spec__jobTargetRef": {"apiVersion": "batch/v1", "kind": "Job", "name": "template"}},
        {"spec__minReplicaCount": 9, "spec__maxReplicaCount": 2},
        {"spec__triggers": [{"type": "redis", "metadata": {}, "metricType": "Value"}]},
        {"metadata__name": "a.b"},
    ],
)
def test_what_a_scaled_job_is_not_refused_for(changes, scaled_job):
    assert lines(scaled_job(**changes)) == []


def azure(**more):
    return {"podIdentity": {"provider": "azure-workload", **more}}


def aws(**more):
    return {"podIdentity": {"provider": "aws", **more}}


def oauth2(**more):
    return {"oauth2": {"clientId": "me", "tokenUrl": "https://id.example.com/token", **more}}


BOTH = pytest.mark.parametrize("kind", ["TriggerAuthentication", "ClusterTriggerAuthentication"])


@BOTH
@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (azure(identityId=""), "spec.podIdentity.identityId"),
        (azure(identityTenantId=""), "spec.podIdentity.identityTenantId"),
        (azure(identityAuthorityHost="https://x"), "spec.podIdentity.identityTenantId"),
        (azure(identityAuthorityHost="https://x", identityTenantId=""), "spec.podIdentity.identityTenantId"),
        (aws(roleArn="arn:x", identityOwner="workload"), "spec.podIdentity.roleArn"),
        (aws(externalID="e"), "spec.podIdentity.roleArn"),
        (aws(externalID="e", roleArn=""), "spec.podIdentity.roleArn"),
        (aws(identityOwner="other"), "spec.podIdentity.identityOwner"),
        ({"podIdentity": {"provider": "other"}}, "spec.podIdentity.provider"),
        ({"podIdentity": {}}, "spec.podIdentity.provider"),
        (oauth2(clientId=""), "spec.oauth2.clientId"),
        (oauth2(tokenUrl=""), "spec.oauth2.tokenUrl"),
        (oauth2(tokenUrl="ftp://x"), "spec.oauth2.tokenUrl"),
        (oauth2(tokenUrl="https:///path"), "spec.oauth2.tokenUrl"),
        (oauth2(tokenUrl="http://[bad"), "spec.oauth2.tokenUrl"),
        (oauth2(type="password"), "spec.oauth2.type"),
        ({"podIdentity": {"provider": "none"}, **oauth2(tokenUrl="x")}, "spec.oauth2.tokenUrl"),
        ({"secretTargetRef": [{"parameter": "p", "name": "n"}]}, "spec.secretTargetRef[0].key"),
        ({"filePath": ["a"]}, "spec.filePath"),
        (
            {"hashiCorpVault": {"address": "x", "authentication": "token", "secrets": []}},
            "spec.hashiCorpVault.secrets",
        ),
    ],
)
def test_what_a_trigger_authentication_is_refused_for(spec, path, kind, trigger_authentication):
    assert paths(trigger_authentication(kind=kind, spec=spec)) == [path]


@BOTH
@pytest.mark.parametrize(
    "spec",
    [
        {},
        azure(),
        azure(identityId="me", identityTenantId="t", identityAuthorityHost="https://x"),
        aws(roleArn="arn:x"),
        aws(roleArn="arn:x", identityOwner="keda", externalID="e"),
        aws(identityOwner="workload"),
        {"podIdentity": {"provider": "gcp"}},
        oauth2(),
        {"filePath": "creds.json"},
    ],
)
def test_what_a_trigger_authentication_is_not_refused_for(spec, kind, trigger_authentication):
    assert lines(trigger_authentication(kind=kind, spec=spec)) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"apiVersion": "keda.sh/v1", "kind": "ScaledObject"}, "apiVersion"),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "Pod"}, "kind"),
        ({}, "apiVersion"),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": ["x"]}, "kind"),
    ],
)
def test_a_kind_that_is_not_ours_is_the_only_problem(body, path):
    assert paths(body) == [path]


@pytest.mark.parametrize(
    "spec",
    [
        "text",
        ["list"],
        {"triggers": "x", "scaleTargetRef": 5, "fallback": 1, "advanced": []},
        {"triggers": [None, 5, {"name": 5, "type": []}], "advanced": {"scalingModifiers": 7}},
        {"jobTargetRef": {"template": {"spec": {"containers": "x", "volumes": [1]}}}, "triggers": {}},
        {"podIdentity": "x", "oauth2": {"tokenUrl": 5}, "secretTargetRef": {}},
        {"podIdentity": {"provider": ["aws"]}, "minReplicaCount": True},
    ],
)
def test_nonsense_is_refused_and_never_raises(spec, scaled_object, scaled_job, trigger_authentication):
    for make in (scaled_object, scaled_job, trigger_authentication):
        problems(make(spec=spec))
    assert problems(scaled_object(spec=spec))
