from pathlib import Path

import pytest
import yaml

from tidegate.api.decode import KINDS
from tidegate.api.schema.crds import GENERATED, crds, render

BY_KIND = {crd["spec"]["names"]["kind"]: crd for crd in crds()}


def schema(kind, *path):
    """The schema of a field; arrays are stepped into."""
    found = BY_KIND[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path:
        found = found["properties"][step]
        found = found.get("items", found)
    return found


def without_text(found):
    return {key: value for key, value in found.items() if key != "description"}


NAMES = [
    ("ScaledObject", "scaledobjects", ["so"], "Namespaced"),
    ("ScaledJob", "scaledjobs", ["sj"], "Namespaced"),
    ("TriggerAuthentication", "triggerauthentications", ["ta", "triggerauth"], "Namespaced"),
    (
        "ClusterTriggerAuthentication",
        "clustertriggerauthentications",
        ["cta", "clustertriggerauth"],
        "Cluster",
    ),
]
EVENTING = [
    ("CloudEventSource", "cloudeventsources", "Namespaced"),
    ("ClusterCloudEventSource", "clustercloudeventsources", "Cluster"),
]


@pytest.mark.parametrize(("kind", "plural", "short", "scope"), NAMES)
def test_names_and_scope(kind, plural, short, scope):
    crd = BY_KIND[kind]
    assert crd["metadata"]["name"] == f"{plural}.keda.sh"
    assert crd["spec"]["scope"] == scope
    assert crd["spec"]["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": short,
        "categories": ["keda"],
    }
    (version,) = crd["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize(("kind", "plural", "scope"), EVENTING)
def test_sources_of_events_have_a_group_of_their_own(kind, plural, scope):
    crd = BY_KIND[kind]
    assert crd["metadata"]["name"] == f"{plural}.eventing.keda.sh"
    assert (crd["spec"]["group"], crd["spec"]["scope"]) == ("eventing.keda.sh", scope)
    assert "shortNames" not in crd["spec"]["names"]
    types = schema(kind, "spec", "eventSubscription", "includedEventTypes")["enum"]
    assert len(types) == 19
    assert schema(kind, "spec", "eventSubscription", "excludedEventTypes")["enum"] == types


QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
COLUMNS = {
    "ScaledObject": "ScaleTargetKind ScaleTargetName Min Max Ready Active Fallback Paused "
    "Triggers Authentications Age",
    "ScaledJob": "Min Max Ready Active Paused Triggers Authentications Age",
    "TriggerAuthentication": "PodIdentity Secret Env VaultAddress ScaledObjects ScaledJobs",
    "ClusterTriggerAuthentication": "PodIdentity Secret Env FilePath VaultAddress ScaledObjects ScaledJobs",
    "CloudEventSource": "Active",
    "ClusterCloudEventSource": "Active",
}


@pytest.mark.parametrize("kind", KINDS)
def test_printer_columns_are_those_of_keda(kind):
    columns = BY_KIND[kind]["spec"]["versions"][0]["additionalPrinterColumns"]
    assert " ".join(column["name"] for column in columns) == COLUMNS[kind]


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("ScaledObject", "spec.pollingInterval", {"type": "integer", "minimum": 1, "format": "int32"}),
        ("ScaledObject", "spec.cooldownPeriod", {"type": "integer", "minimum": 0, "format": "int32"}),
        ("ScaledObject", "spec.maxReplicaCount", {"type": "integer", "minimum": 1, "format": "int32"}),
        ("ScaledObject", "spec.scaleTargetRef.name", {"type": "string", "minLength": 1}),
        ("ScaledObject", "spec.triggers.type", {"type": "string", "minLength": 1}),
        (
            "ScaledObject",
            "spec.triggers.metadata",
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        (
            "ScaledObject",
            "spec.triggers.authenticationRef.kind",
            {"type": "string", "enum": ["ClusterTriggerAuthentication", "TriggerAuthentication"]},
        ),
        (
            "ScaledObject",
            "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds",
            {"type": "integer", "format": "int32"},
        ),
        (
            "ScaledObject",
            "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.tolerance",
            {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "pattern": QUANTITY,
            },
        ),
        ("ScaledObject", "status.lastActiveTime", {"type": "string", "format": "date-time"}),
        (
            "ScaledJob",
            "spec.jobTargetRef.template",
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        ),
        (
            "ScaledJob",
            "spec.jobTargetRef.activeDeadlineSeconds",
            {"type": "integer", "format": "int64"},
        ),
        ("TriggerAuthentication", "spec.podIdentity.externalID", {"type": "string"}),
        ("TriggerAuthentication", "spec.azureKeyVault.cloud.keyVaultResourceURL", {"type": "string"}),
    ],
)
def test_the_schema_of_a_field(kind, path, expected):
    found = without_text(schema(kind, *path.split(".")))
    if "enum" in found:
        found["enum"] = sorted(found["enum"])
    assert found == expected


def test_keda_s_defaults_are_in_the_schema():
    assert schema("ScaledObject", "spec", "fallback", "behavior")["default"] == "static"
    assert schema("TriggerAuthentication", "spec", "oauth2", "type")["default"] == "clientCredentials"


def defaults(found, path=""):
    for name, child in (found.get("properties") or {}).items():
        child = child.get("items", child)
        if "default" in child:
            yield f"{path}.{name}"
        yield from defaults(child, f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_defaults_are_written_into_users_objects(kind):
    allowed = {".spec.fallback.behavior", ".spec.oauth2.type"}
    assert set(defaults(schema(kind))) <= allowed


def test_what_no_schema_of_keda_refuses_is_refused_by_none_of_ours():
    """The operator tells what has no meaning, with the object in its hands."""
    assert "metricType" in schema("ScaledJob", "spec", "triggers")["properties"]
    for kind in ("ScaledObject", "ScaledJob"):
        status = without_text(schema(kind, "status", "conditions")["properties"]["status"])
        assert status == {"type": "string"}


@pytest.mark.parametrize(
    ("kind", "path", "required"),
    [
        ("ScaledObject", "", ["spec"]),
        ("ScaledObject", "spec", ["scaleTargetRef", "triggers"]),
        ("ScaledObject", "spec.triggers", ["metadata", "type"]),
        ("ScaledObject", "spec.fallback", ["failureThreshold", "replicas"]),
        ("ScaledObject", "status.scaleTargetGVKR", ["group", "kind", "resource", "version"]),
        ("ScaledJob", "spec", ["jobTargetRef", "triggers"]),
        ("TriggerAuthentication", "spec", []),
        ("TriggerAuthentication", "spec.secretTargetRef", ["key", "name", "parameter"]),
        ("TriggerAuthentication", "spec.env", ["name", "parameter"]),
        ("TriggerAuthentication", "spec.hashiCorpVault", ["address", "authentication", "secrets"]),
    ],
)
def test_required_fields(kind, path, required):
    assert schema(kind, *filter(None, path.split("."))).get("required", []) == required


def test_the_replica_rule_stands_on_the_spec():
    (rule,) = schema("ScaledObject", "spec")["x-kubernetes-validations"]
    assert rule["message"] == "minReplicaCount must be less than or equal to maxReplicaCount"


def descriptions(found, path):
    for name, child in (found.get("properties") or {}).items():
        yield f"{path}.{name}", child
        yield from descriptions(child.get("items", child), f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_spec_and_status_is_described(kind):
    for part in ("spec", "status"):
        for path, child in descriptions(schema(kind, part), part):
            assert child.get("description"), path


def structural_faults(found, path):
    """Kubernetes' conditions for a structural schema that ours could break."""
    if not found.get("type") and not (
        found.get("x-kubernetes-int-or-string") or found.get("x-kubernetes-preserve-unknown-fields")
    ):
        yield f"{path} has no type"
    if "properties" in found and "additionalProperties" in found:
        yield f"{path} mixes properties and additionalProperties"
    if found.get("type") == "array" and "items" not in found:
        yield f"{path} has no items"
    for name, child in (found.get("properties") or {}).items():
        yield from structural_faults(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(found.get(word), dict):
            yield from structural_faults(found[word], f"{path}.{word}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural(kind):
    assert list(structural_faults(schema(kind), kind)) == []


def test_the_delivered_files_are_what_is_generated():
    folder = Path(__file__).parents[3] / "deploy" / "crds"
    assert {file.name: file.read_text() for file in folder.iterdir()} == render()


def test_each_file_says_where_it_comes_from_and_is_one_definition():
    for text in render().values():
        assert text.startswith(GENERATED)
        assert yaml.safe_load(text) in crds()
