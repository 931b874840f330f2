"""What the chart renders, by Helm itself."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.charts import CHART, ROOT, Helm, container, find
from parts.servers import program as installed_program
from tidegate.cli.wiring import settings_page
from tidegate.runtime.settings import Given, read, table

sys.path.insert(0, str(ROOT / "scripts"))

PROGRAMS = ("keda-operator", "keda-operator-metrics-apiserver", "keda-admission-webhooks")
# What is read elsewhere than in a program's own settings.
OF_LIBRARIES = {"TMPDIR", "OTEL_EXPORTER_OTLP_ENDPOINT"}
# Each makes objects that the defaults do not.
EVERYTHING: dict[str, Any] = {
    "watchNamespace": "shop,bakery",
    "watchLabelSelector": "team=platform",
    "watchLabelSelectorForTriggerauth": "team=platform",
    "networkPolicy": {"enabled": True},
    "rbac": {
        "aggregateToDefaultRoles": True,
        "scaledRefKinds": [{"apiGroup": "argoproj.io", "kind": "rollouts"}],
    },
    "permissions": {
        "operator": {
            "restrict": {"serviceAccountTokenCreationRoles": [{"name": "reader", "namespace": "shop"}]}
        }
    },
    "podIdentity": {
        "azureWorkload": {"enabled": True, "clientId": "c", "tenantId": "t"},
        "aws": {"irsa": {"enabled": True, "roleArn": "arn:aws:iam::1:role/r"}},
        "gcp": {"enabled": True, "gcpIAMServiceAccount": "a@b"},
        "lendTo": ["shop", "bakery"],
    },
    "prometheus": {
        part: {
            "enabled": True,
            "serviceMonitor": {"enabled": True},
            **({"podMonitor": {"enabled": True}} if part != "webhooks" else {}),
            **(
                {"prometheusRules": {"enabled": True, "alerts": [{"alert": "a"}]}}
                if part != "metricServer"
                else {}
            ),
        }
        for part in ("operator", "metricServer", "webhooks")
    },
    "opentelemetry": {"collector": {"uri": "http://otel:4318"}, "operator": {"enabled": True}},
    "certificates": {"operator": {"caDirs": ["/ca"]}},
    "http": {"keepAlive": {"enabled": False}, "tlsCipherList": "TLS_AES_128_GCM_SHA256"},
    "imagePullSecrets": [{"name": "pull"}],
    "allowTriggers": ["tickets", "things"],
    "budgets": {"aws.monitoring": 60, "datadog": 5},
    "extraArgs": {"keda": {"kube-api-qps": 50}},
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    ],
    "additionalLabels": {"team": "platform"},
    "additionalAnnotations": {"contact": "platform"},
    "grpcTLSCertsSecret": "grpc",
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["broker"]}],
}

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_finds_no_fault(helm: Helm, values: dict[str, Any]) -> None:
    image = ["--set", "image.keda.repository=a/b"]
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.run(
        "lint", "--strict", str(CHART), *image, values=values
    )
    for one in helm.objects(values):
        assert one["apiVersion"], one
        if one["metadata"]["name"] == "tidegate-more":
            continue
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm", one


@pytest.mark.parametrize("deployment", PROGRAMS)
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_each_program_heeds_all_that_it_is_told(helm: Helm, deployment: str, values: dict[str, Any]) -> None:
    one = container(helm.objects(values), deployment)
    command, *words = one["args"]
    program, ignored = settings_page.PROGRAMS[f"tidegate {command}"]
    flags: dict[str, list[str]] = {}
    for word in words:
        name, _, text = word.partition("=")
        flags.setdefault(name, []).append(text or "true")
    environment = {entry["name"]: entry.get("value", "keda") for entry in one["env"]}
    known = {name for one in table(program).values() for name in (one.flag, one.variable)}
    extra = {f"--{name}" for name in values.get("extraArgs", {}).get("keda", {})}
    assert flags.keys() - extra - known == set()
    assert environment.keys() - OF_LIBRARIES - known == set()
    _, notices = read(program, ignored, Given(flags, environment))
    assert len(notices) == len(extra & flags.keys())


@pytest.mark.parametrize("deployment", ["keda-operator", "keda-admission-webhooks"])
def test_extensions_are_allowed_where_triggers_are_read(helm: Helm, deployment: str) -> None:
    assert "--allow-triggers=tickets,things" in container(helm.objects(EVERYTHING), deployment)["args"]
    assert not any("allow-triggers" in one for one in container(helm.objects({}), deployment)["args"])


def test_the_dashboard_is_off_unless_asked_for_and_its_token_is_a_secret(helm: Helm) -> None:
    assert "dashboard" not in str(helm.objects({"dashboard": {"logs": True}}))
    objects = helm.objects({"dashboard": {"enabled": True}})
    assert {"--dashboard", "--dashboard-token-file=/dashboard/token"} <= set(
        container(objects, "keda-operator")["args"]
    )
    secret = find(objects, "Secret", "keda-operator-dashboard")
    assert len(base64.b64decode(secret["data"]["token"])) == 40
    for name in PROGRAMS:
        volumes = find(objects, "Deployment", name)["spec"]["template"]["spec"]["volumes"]
        named = [one["secret"]["secretName"] for one in volumes if one["name"] == "dashboard"]
        assert named == (["keda-operator-dashboard"] if name == "keda-operator" else [])
    assert "pods/log" not in str(objects)
    # Nobody but kubectl port-forward reaches it.
    assert "8083" not in str(objects)


def test_logs_may_be_read_where_the_dashboard_shows_them(helm: Helm) -> None:
    shown = {"enabled": True, "logs": True, "existingSecret": "mine"}
    objects = helm.objects({"dashboard": shown, "shadow": {"enabled": True}})
    assert [one["metadata"]["name"] for one in objects if one["kind"] == "Secret"] == []
    rules = [rule for one in objects for rule in one.get("rules", ()) if "pods/log" in rule["resources"]]
    assert rules == [{"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}]


def test_budgets_are_for_the_operator(helm: Helm) -> None:
    arguments = container(helm.objects(EVERYTHING), "keda-operator")["args"]
    assert [one for one in arguments if "budget" in one] == [
        "--budget=aws.monitoring=60",
        "--budget=datadog=5",
    ]
    assert not any("budget" in one for one in container(helm.objects({}), "keda-operator")["args"])


def test_without_an_image_it_says_how_to_make_one(helm: Helm) -> None:
    said = helm.refusal({})
    for words in ("no image is named", "deploy/Dockerfile", "--set image.keda.repository="):
        assert words in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image": {"keda": {"repository": "kedacore/keda"}}}, "an image of KEDA's"),
        (
            {"image": {"keda": {"repository": "a/b"}}, "asciiArt": True},
            "additional properties 'asciiArt' not allowed",
        ),
        ({"image": {"keda": {"repository": "a/b"}}, "operator": {"replicaCount": "two"}}, "replicaCount"),
        ({"image": {"keda": {"repository": "a/b"}}, "networkPolicy": {"flavor": "cilium"}}, "flavor"),
        ({"image": {"keda": {"repository": "a/b"}}, "certificates": {"autoGenerated": False}}, "caBundle"),
        ({"image": {"keda": {"repository": "a/b"}}, "certificates": {"caBundle": "x"}}, "autoGenerated"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(helm: Helm, values: dict[str, Any], said: str) -> None:
    assert said in helm.refusal(values)


def test_pods_may_do_little(helm: Helm) -> None:
    objects = helm.objects()
    for name in PROGRAMS:
        pod = find(objects, "Deployment", name)["spec"]["template"]["spec"]
        one = pod["containers"][0]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert one["resources"].keys() == {"limits", "requests"}
        assert {"livenessProbe", "readinessProbe"} <= one.keys()
        assert find(objects, "PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1
        assert find(objects, "Deployment", name)["spec"]["replicas"] == 2


def test_definitions_stay_when_the_release_goes_unless_it_is_asked_for(helm: Helm) -> None:
    for keep in (True, False):
        found = [
            one for one in helm.objects({"crds": {"keep": keep}}) if one["kind"] == "CustomResourceDefinition"
        ]
        assert {one["metadata"]["name"] for one in found} >= {"scaledobjects.keda.sh", "scaledjobs.keda.sh"}
        for one in found:
            policy = one["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            assert policy == ("keep" if keep else None)


def test_definitions_are_small_enough_for_a_client_side_apply() -> None:
    for path in (ROOT / "deploy" / "crds").iterdir():
        # The annotation of the last applied manifest may have 256 KiB, of which some is for others.
        assert path.stat().st_size < 200 * 1024, path


def test_what_works_in_named_namespaces_has_rights_in_no_other(helm: Helm) -> None:
    objects = helm.objects({"watchNamespace": "shop, bakery"})
    assert {"name": "WATCH_NAMESPACE", "value": "shop,bakery"} in container(objects, "keda-operator")["env"]
    everywhere = find(objects, "ClusterRole", "tidegate-operator")["rules"]
    for namespace in ("shop", "bakery"):
        rules = find(objects, "Role", "keda-operator", namespace)["rules"]
        assert any("secrets" in rule["resources"] for rule in rules)
    assert not any({"secrets", "jobs", "scaledobjects"} & {*rule["resources"]} for rule in everywhere)


def test_secrets_of_other_namespaces_can_be_closed(helm: Helm) -> None:
    objects = helm.objects({"permissions": {"operator": {"restrict": {"secret": True}}}})
    assert {"name": "KEDA_RESTRICT_SECRET_ACCESS", "value": "true"} in container(objects, "keda-operator")[
        "env"
    ]
    everywhere = find(objects, "ClusterRole", "tidegate-operator")["rules"]
    assert not any("secrets" in rule["resources"] for rule in everywhere)
    own = find(objects, "Role", "keda-operator-own")["rules"]
    assert any("secrets" in rule["resources"] for rule in own)


def test_a_shadow_writes_nothing_but_what_is_its_own(helm: Helm) -> None:
    objects = helm.objects({"shadow": {"enabled": True}}, namespace="shadow")
    assert "--shadow" in container(objects, "keda-operator")["args"]
    kinds = {one["kind"] for one in objects}
    assert not kinds & {"APIService", "ValidatingWebhookConfiguration", "CustomResourceDefinition", "Job"}
    rules = find(objects, "ClusterRole", "tidegate-shadow-operator")["rules"]
    writes = [rule for rule in rules if not {"get", "list", "watch"}.issuperset(rule["verbs"])]
    assert [rule["resources"] for rule in writes] == [["events"]]
    assert find(objects, "Deployment", "keda-operator")["spec"]["replicas"] == 1


def test_a_shadow_may_stand_in_the_namespace_of_keda(helm: Helm) -> None:
    objects = helm.objects({"shadow": {"enabled": True}, "operator": {"name": "tidegate-shadow"}})
    assert not [one for one in objects if "keda" in one["metadata"]["name"]]


def test_tokens_of_accounts_are_asked_for_by_name(helm: Helm) -> None:
    def creators(values: dict[str, Any]) -> list[tuple[str, list[str]]]:
        return [
            (one["metadata"].get("namespace", ""), rule.get("resourceNames", []))
            for one in helm.objects(values)
            if one["kind"] in ("Role", "ClusterRole")
            for rule in one["rules"]
            if "serviceaccounts/token" in rule["resources"]
        ]

    assert creators({}) == []
    assert creators(EVERYTHING) == [("shop", ["reader"])]


def test_the_operators_identity_is_lent_to_the_namespaces_that_are_named(helm: Helm) -> None:
    def lent(values: dict[str, Any]) -> list[str]:
        words = container(helm.objects(values), "keda-operator")["args"]
        return [word for word in words if "lend" in word]

    assert lent({}) == []
    assert lent({"podIdentity": {"lendTo": ["shop", "bakery"]}}) == ["--lend-identity=shop,bakery"]
    assert lent({"podIdentity": {"lendTo": ["*"]}}) == ["--lend-identity=*"]


def test_no_right_is_given_with_a_star_but_to_read_metrics(helm: Helm) -> None:
    for one in helm.objects():
        if (
            one["kind"] in ("Role", "ClusterRole")
            and one["metadata"]["name"] != "tidegate-external-metrics-reader"
        ):
            for rule in one["rules"]:
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_the_plain_manifests_are_what_the_chart_renders() -> None:
    import chart

    text = (ROOT / "deploy" / "tidegate.yaml").read_text()
    assert text == chart.signed(chart.rendered(installed_program("helm", "bin/helm")))
    kinds = {one["kind"] for one in yaml.safe_load_all(text)}
    assert "Job" not in kinds


def test_the_chart_is_of_this_version() -> None:
    from tidegate import __version__

    chart = yaml.safe_load((Path(CHART) / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_no_pod_is_given_the_key_of_the_authority(helm: Helm) -> None:
    mounted = {}
    for one in helm.objects():
        if one["kind"] == "Deployment":
            volumes = {volume["name"]: volume for volume in one["spec"]["template"]["spec"]["volumes"]}
            secret = volumes["certificates"]["secret"]
            mounted[one["metadata"]["name"]] = sorted(item["key"] for item in secret["items"])
    assert len(mounted) == 3
    assert {tuple(keys) for keys in mounted.values()} == {("ca.crt", "tls.crt", "tls.key")}
