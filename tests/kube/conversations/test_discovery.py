"""Which kinds there are, in both forms that clients ask for, and what their documents say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts.conversation import Talk

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What both serve of the kinds that both serve.
KINDS = {
    "v1": "configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes "
    "pods resourcequotas secrets serviceaccounts services",
    "apps/v1": "controllerrevisions daemonsets deployments replicasets statefulsets",
    "batch/v1": "cronjobs jobs",
    "autoscaling/v1": "horizontalpodautoscalers",
    "autoscaling/v2": "horizontalpodautoscalers",
    "coordination.k8s.io/v1": "leases",
    "discovery.k8s.io/v1": "endpointslices",
    "networking.k8s.io/v1": "ingresses networkpolicies",
    "storage.k8s.io/v1": "storageclasses",
    "scheduling.k8s.io/v1": "priorityclasses",
    "apiregistration.k8s.io/v1": "apiservices",
    "admissionregistration.k8s.io/v1": "mutatingwebhookconfigurations validatingwebhookconfigurations",
    "rbac.authorization.k8s.io/v1": "clusterrolebindings clusterroles rolebindings roles",
    "apiextensions.k8s.io/v1": "customresourcedefinitions",
}
ABOUT = {
    "pods": ("Pod", "pod", True, {"po"}, {"all"}),
    "services": ("Service", "service", True, {"svc"}, {"all"}),
    "endpoints": ("Endpoints", "endpoints", True, {"ep"}, set()),
    "configmaps": ("ConfigMap", "configmap", True, {"cm"}, set()),
    "secrets": ("Secret", "secret", True, set(), set()),
    "namespaces": ("Namespace", "namespace", False, {"ns"}, set()),
    "nodes": ("Node", "node", False, {"no"}, set()),
    "deployments": ("Deployment", "deployment", True, {"deploy"}, {"all"}),
    "replicasets": ("ReplicaSet", "replicaset", True, {"rs"}, {"all"}),
    "statefulsets": ("StatefulSet", "statefulset", True, {"sts"}, {"all"}),
    "controllerrevisions": ("ControllerRevision", "controllerrevision", True, set(), set()),
    "daemonsets": ("DaemonSet", "daemonset", True, {"ds"}, {"all"}),
    "cronjobs": ("CronJob", "cronjob", True, {"cj"}, {"all"}),
    "jobs": ("Job", "job", True, set(), {"all"}),
    "horizontalpodautoscalers": (
        "HorizontalPodAutoscaler",
        "horizontalpodautoscaler",
        True,
        {"hpa"},
        {"all"},
    ),
    "ingresses": ("Ingress", "ingress", True, {"ing"}, set()),
    "networkpolicies": ("NetworkPolicy", "networkpolicy", True, {"netpol"}, set()),
    "storageclasses": ("StorageClass", "storageclass", False, {"sc"}, set()),
    "priorityclasses": ("PriorityClass", "priorityclass", False, {"pc"}, set()),
    "apiservices": ("APIService", "apiservice", False, set(), {"api-extensions"}),
    "validatingwebhookconfigurations": (
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfiguration",
        False,
        set(),
        {"api-extensions"},
    ),
    "mutatingwebhookconfigurations": (
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfiguration",
        False,
        set(),
        {"api-extensions"},
    ),
    "limitranges": ("LimitRange", "limitrange", True, {"limits"}, set()),
    "resourcequotas": ("ResourceQuota", "resourcequota", True, {"quota"}, set()),
    "customresourcedefinitions": (
        "CustomResourceDefinition",
        "customresourcedefinition",
        False,
        {"crd", "crds"},
        {"api-extensions"},
    ),
}


def root(group: str) -> str:
    return "/api/v1" if group == "v1" else f"/apis/{group}"


@pytest.mark.parametrize("group", KINDS)
async def test_the_resources_of_a_group(talk: Talk, group: str) -> None:
    listed = (await talk.get(root(group))).body
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", group)
    resources = {one["name"]: one for one in listed["resources"]}
    for plural in KINDS[group].split():
        one = resources[plural]
        verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
        assert set(one["verbs"]) == (verbs - {"deletecollection"} if plural == "namespaces" else verbs)
        if plural in ABOUT:
            names = (set(one.get("shortNames", ())), set(one.get("categories", ())))
            assert (one["kind"], one["singularName"], one["namespaced"], *names) == ABOUT[plural]
    if group == "apps/v1":
        scale = resources["deployments/scale"]
        assert {"group": "autoscaling", "version": "v1", "kind": "Scale"}.items() <= scale.items()
        assert set(scale["verbs"]) == {"get", "patch", "update"}
    if group == "v1":
        assert set(resources["pods/log"]["verbs"]) == {"get"}
        assert set(resources["pods/exec"]["verbs"]) == {"create", "get"}
        assert set(resources["namespaces/finalize"]["verbs"]) == {"update"}


async def test_aggregated_discovery_tells_the_same(talk: Talk) -> None:
    found: dict[tuple[str, str], Any] = {}
    for path in ("/api", "/apis"):
        answer = await talk.get(path, accept=AGGREGATED)
        assert answer.headers["Content-Type"] == AGGREGATED
        assert (answer.body["kind"], answer.body["apiVersion"]) == (
            "APIGroupDiscoveryList",
            "apidiscovery.k8s.io/v2",
        )
        for item in answer.body["items"]:
            for version in item["versions"]:
                assert version["freshness"] == "Current"
                name = item["metadata"].get("name")
                group = f"{name}/{version['version']}" if name else version["version"]
                found |= {(group, one["resource"]): one for one in version["resources"]}
    for group, plurals in KINDS.items():
        for plural in plurals.split():
            one = found[group, plural]
            if plural in ABOUT:
                kind, singular, is_namespaced, short, categories = ABOUT[plural]
                assert one["responseKind"]["kind"] == kind
                assert one["singularResource"] == singular
                assert one["scope"] == ("Namespaced" if is_namespaced else "Cluster")
                assert set(one.get("shortNames", ())) == short
                assert set(one.get("categories", ())) == categories
    scale = next(
        one for one in found["apps/v1", "deployments"]["subresources"] if one["subresource"] == "scale"
    )
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


async def test_groups_name_their_versions_the_preferred_one_first(talk: Talk) -> None:
    assert (await talk.get("/api")).body["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await talk.get("/apis")).body["groups"]}
    scaling = groups["autoscaling"]
    assert [version["version"] for version in scaling["versions"]] == ["v2", "v1"]
    assert scaling["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    alone = (await talk.get("/apis/autoscaling")).body
    assert (alone["kind"], alone["preferredVersion"]) == ("APIGroup", scaling["preferredVersion"])


async def test_a_known_answer_is_not_sent_again(talk: Talk) -> None:
    first = await talk.get("/apis", accept=AGGREGATED)
    tag = next(value for name, value in first.headers.items() if name.lower() == "etag")
    again = await talk.get("/apis", accept=AGGREGATED, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/apis/none.example", "/apis/none.example/v1", "/apis/apps/v7", "/none"])
async def test_what_is_not_there(talk: Talk, path: str) -> None:
    assert (await talk.get(path)).status == 404


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health_is_a_word(talk: Talk, path: str) -> None:
    answer = await talk.get(path)
    assert (answer.status, answer.body) == (200, b"ok")


def decoded(body: Any) -> Any:
    """Kubernetes does not call the index JSON, which it is."""
    return json.loads(body) if isinstance(body, bytes) else body


async def test_openapi_describes_kinds_and_how_they_are_patched(talk: Talk) -> None:
    index = decoded((await talk.get("/openapi/v3")).body)["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/batch/v1", "apis/autoscaling/v2"} <= set(index)
    address, _, tag = index["apis/apps/v1"]["serverRelativeURL"].partition("?hash=")
    assert (address, bool(tag)) == ("/openapi/v3/apis/apps/v1", True)
    document = decoded((await talk.get(address)).body)
    assert document["openapi"] == "3.0.0"
    gvk = {"group": "apps", "version": "v1", "kind": "Deployment"}
    name, schema = next(
        (name, schema)
        for name, schema in document["components"]["schemas"].items()
        if gvk in schema.get("x-kubernetes-group-version-kind", ())
    )
    assert set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}
    one = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert {"delete", "get", "parameters", "patch", "put"} <= set(one)
    patch = one["patch"]
    assert (patch["x-kubernetes-group-version-kind"], patch["x-kubernetes-action"]) == (gvk, "patch")
    asked = {parameter["name"] for parameter in patch["parameters"]}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= asked
    told = patch["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert told == f"#/components/schemas/{name}"
    assert (await talk.get("/openapi/v3/apis/none.example/v1")).status == 404
