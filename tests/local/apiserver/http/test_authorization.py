"""Every request is asked whether it may: verbs, subresources, paths, reviews, and grants themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from parts.served import Served
from tidegate.kube.resource import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
)
from tidegate.local.apiserver.http.server import Server

RBAC = "rbac.authorization.k8s.io"
HOME = "/api/v1/namespaces/default"
GRANTS = f"/apis/{RBAC}/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
ANN = {"Impersonate-User": "ann"}
SCALE = "/apis/apps/v1/namespaces/default/deployments/web/scale"
ONE = {"metadata": {"name": "x"}}


def rule(verbs: str, groups: str, resources: str, *names: str) -> dict[str, Any]:
    body = {"verbs": verbs.split(), "apiGroups": [groups], "resources": resources.split()}
    return {**body, "resourceNames": list(names)} if names else body


async def give(served: Served, *rules: dict[str, Any], namespace: str = "default", user: str = "ann") -> None:
    """Binds a role of these rules alone to the user; in a namespace, or (with "") everywhere."""
    objects, name = served.plane.objects, f"{user}-only"
    bindings = ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS
    # Rules about paths stand in ClusterRoles only.
    is_of_cluster = not namespace or any("nonResourceURLs" in rule for rule in rules)
    roles = CLUSTER_ROLES if is_of_cluster else ROLES
    home = "" if is_of_cluster else namespace
    if objects.get(roles, home, name) is not None:
        await objects.delete(roles, home, name)
    await objects.create(roles, {"metadata": placed(name, home), "rules": list(rules)})
    if objects.get(bindings, namespace, name) is None:
        subject = {"kind": "User", "name": user, "apiGroup": RBAC}
        reference = {"kind": roles.kind, "name": name, "apiGroup": RBAC}
        body = {"metadata": placed(name, namespace), "roleRef": reference, "subjects": [subject]}
        await objects.create(bindings, body)


def placed(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


async def furnish(served: Served) -> None:
    """What the requests of the table are about."""
    objects = served.plane.objects
    await objects.create(CONFIG_MAPS, {"metadata": {"name": "m", "namespace": "default"}})
    container = {"name": "c", "image": "tool"}
    await objects.create(
        PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [container]}}
    )
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await objects.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})


REQUESTS = [
    ("GET", f"{HOME}/configmaps/m", None, rule("get", "", "configmaps")),
    ("GET", f"{HOME}/configmaps/m", None, rule("get", "", "configmaps", "m")),
    ("GET", f"{HOME}/configmaps", None, rule("list", "", "configmaps")),
    ("GET", f"{HOME}/configmaps?fieldSelector=metadata.name%3Dm", None, rule("list", "", "configmaps", "m")),
    ("GET", f"{HOME}/configmaps?watch=true&timeoutSeconds=1", None, rule("watch", "", "configmaps")),
    ("GET", f"{HOME}/configmaps/m?watch=1&timeoutSeconds=1", None, rule("watch", "", "configmaps", "m")),
    ("POST", f"{HOME}/configmaps", ONE, rule("create", "", "configmaps")),
    ("PUT", f"{HOME}/configmaps/m", {"metadata": {"name": "m"}}, rule("update", "", "configmaps", "m")),
    ("PATCH", f"{HOME}/configmaps/m", {"data": {"a": "b"}}, rule("patch", "", "configmaps", "m")),
    ("DELETE", f"{HOME}/configmaps/m", None, rule("delete", "", "configmaps", "m")),
    ("DELETE", f"{HOME}/configmaps", None, rule("deletecollection", "", "configmaps")),
    ("GET", f"{HOME}/pods/p/log", None, rule("get", "", "pods/log")),
    ("GET", f"{HOME}/pods/p/status", None, rule("get", "", "pods/status")),
    ("PATCH", f"{HOME}/pods/p/status", {}, rule("patch", "", "pods/status", "p")),
    ("GET", SCALE, None, rule("get", "apps", "deployments/scale")),
    ("PATCH", SCALE, {"spec": {"replicas": 2}}, rule("patch", "apps", "*/scale")),
    ("POST", f"{HOME}/serviceaccounts/default/token", {}, rule("create", "", "serviceaccounts/token")),
    ("GET", "/api/v1/namespaces/default", None, rule("get", "", "namespaces")),
    (
        "POST",
        f"{REVIEWS}/namespaces/default/localsubjectaccessreviews",
        {"spec": {"user": "x", "resourceAttributes": {"namespace": "default"}}},
        rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), REQUESTS)
async def test_a_request_is_let_in_by_its_own_rule_and_no_other(
    served: Served, method: str, path: str, body: Any, needed: dict[str, Any]
) -> None:
    await furnish(served)
    headers = {**ANN}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    everything = "get list watch create update patch delete deletecollection connect"
    (resource,), verbs = needed["resources"], needed["verbs"]
    plain, _, sub = resource.partition("/")
    others = [
        {**needed, "verbs": [verb for verb in everything.split() if verb not in verbs]},
        {**needed, "apiGroups": ["example.org"]},
        {**needed, "resources": [f"{plain}/other" if sub else f"{plain}/status"]},
        {**needed, "resources": ["deployments", "pods"] if sub else ["*/status"]},
        {**needed, "resourceNames": ["another"]},
    ]
    for other in others:
        await give(served, other)
        status, answer, _ = await served.call(method, path, body, headers=headers)
        assert (status, answer["reason"]) == (403, "Forbidden"), other
        assert 'User "ann" cannot' in answer["message"]
    await give(served, needed, namespace="kube-public")
    assert (await served.call(method, path, body, headers=headers))[0] == 403, "of another namespace"
    await give(served, needed)
    status, answer, _ = await served.call(method, path, body, headers=headers)
    assert status in (200, 201), answer


CLUSTER_REQUESTS = [
    ("GET", "/api/v1/pods", rule("list", "", "pods")),
    ("GET", "/api/v1/nodes/local", rule("get", "", "nodes", "local")),
    ("GET", "/api/v1/namespaces", rule("list", "", "namespaces")),
    ("GET", "/apis/nosuch.example/v1/things", rule("list", "nosuch.example", "things")),
    ("GET", "/explain/nothing", {"verbs": ["get"], "nonResourceURLs": ["/explain/*"]}),
    ("GET", "/nonsense", {"verbs": ["get"], "nonResourceURLs": ["/nonsense"]}),
]


@pytest.mark.parametrize(("method", "path", "needed"), CLUSTER_REQUESTS)
async def test_what_is_asked_of_the_cluster_needs_a_binding_of_the_cluster(
    served: Served, method: str, path: str, needed: dict[str, Any]
) -> None:
    await give(served, needed)
    assert (await served.call(method, path, headers=ANN))[0] == 403
    await give(served, needed, namespace="")
    assert (await served.call(method, path, headers=ANN))[0] in (200, 404), "whether there is such a thing"


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/version"])
async def test_everybody_with_a_name_may_look_at_what_there_is(served: Served, path: str) -> None:
    assert (await served.call("GET", path, headers=ANN))[0] == 200


async def test_a_command_in_a_pod_needs_create_though_a_websocket_begins_with_a_get(served: Served) -> None:
    await furnish(served)
    path = f"{HOME}/pods/p/exec?command=echo&command=hi&stdout=true"
    for rules, code in (
        ([rule("get", "", "pods")], 403),
        ([rule("create", "", "pods/exec")], 403),
        ([rule("get", "", "pods/exec")], 403),
        ([rule("get create", "", "pods/exec")], 101),
    ):
        await give(served, *rules)
        headers = {"Authorization": f"Bearer {served.token}", **ANN}
        try:
            socket = await served.session.ws_connect(
                served.server.url + path, headers=headers, protocols=("v5.channel.k8s.io",)
            )
            await socket.close()
            found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
        assert found == code, rules


async def test_what_is_refused_is_refused_before_it_is_looked_at(served: Served) -> None:
    status, body, _ = await served.call("GET", f"{HOME}/secrets/none", headers=ANN)
    assert (status, body["details"]) == (403, {"name": "none", "kind": "secrets"})
    assert served.server.requests == {}


async def test_the_same_questions_are_worked_out_once(served: Served) -> None:
    await give(served, rule("get list", "", "configmaps"))
    before = served.plane.policy.evaluations
    for _ in range(25):
        assert (await served.call("GET", f"{HOME}/configmaps", headers=ANN))[0] == 200
        assert (await served.call("GET", f"{HOME}/secrets", headers=ANN))[0] == 403
    assert served.plane.policy.evaluations == before + 2


# -- reviews -------------------------------------------------------------------------------------


async def may(served: Served, user: str, **attributes: str) -> Any:
    body = {"spec": {"user": user, "resourceAttributes": attributes}}
    status, answer, _ = await served.call("POST", f"{REVIEWS}/subjectaccessreviews", body)
    assert status == 201, answer
    return answer["status"]


async def test_reviews_ask_the_same_evaluator(served: Served) -> None:
    await give(served, rule("list", "", "pods"), rule("get", "apps", "deployments/scale"))
    pods = {"verb": "list", "resource": "pods", "namespace": "default"}
    assert await may(served, "ann", **pods) == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "ann-only/default" of Role "ann-only" to User "ann"',
    }
    assert await may(served, "ann", **{**pods, "namespace": "kube-system"}) == {"allowed": False}
    assert await may(served, "bob", **pods) == {"allowed": False}
    scale = {"verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale"}
    assert (await may(served, "ann", namespace="default", **scale))["allowed"]
    for path, headers, spec, allowed in (
        ("selfsubjectaccessreviews", ANN, {"resourceAttributes": pods}, True),
        ("selfsubjectaccessreviews", {}, {"resourceAttributes": {"verb": "*", "resource": "*"}}, True),
        ("selfsubjectaccessreviews", ANN, {"nonResourceAttributes": {"verb": "get", "path": "/api"}}, True),
        ("selfsubjectaccessreviews", ANN, {"nonResourceAttributes": {"verb": "get", "path": "/x"}}, False),
        ("selfsubjectaccessreviews", ANN, {"nonResourceAttributes": {"verb": "get"}}, False),
        (
            "namespaces/default/localsubjectaccessreviews",
            {},
            {"user": "ann", "resourceAttributes": pods},
            True,
        ),
        ("subjectaccessreviews", {}, {"groups": ["system:masters"], "resourceAttributes": pods}, True),
    ):
        status, body, _ = await served.call("POST", f"{REVIEWS}/{path}", {"spec": spec}, headers=headers)
        assert (status, body["status"]["allowed"]) == (201, allowed), spec


@pytest.mark.parametrize(
    ("kind", "body", "path"),
    [
        ("subjectaccessreviews", {"spec": {"resourceAttributes": {}}}, "spec.user"),
        ("subjectaccessreviews", {"spec": {"user": "ann"}}, "spec.resourceAttributes"),
        ("selfsubjectaccessreviews", {"spec": {}}, "spec.resourceAttributes"),
        (
            "selfsubjectaccessreviews",
            {"spec": {"resourceAttributes": {}, "nonResourceAttributes": {}}},
            "spec.nonResourceAttributes",
        ),
        (
            "selfsubjectaccessreviews",
            {"metadata": {"name": "x"}, "spec": {"resourceAttributes": {}}},
            "metadata",
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            {"spec": {"user": "ann", "resourceAttributes": {"namespace": "other"}}},
            "spec.resourceAttributes.namespace",
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            {"spec": {"user": "ann", "nonResourceAttributes": {"path": "/", "verb": "get"}}},
            "spec.nonResourceAttributes",
        ),
    ],
)
async def test_a_review_that_asks_nothing_clear_is_invalid(
    served: Served, kind: str, body: dict[str, Any], path: str
) -> None:
    status, answer, _ = await served.call("POST", f"{REVIEWS}/{kind}", body)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in answer["details"]["causes"]] == [path]


async def test_the_rules_of_a_user_are_listed(served: Served) -> None:
    await give(served, rule("list", "", "pods", "p"))
    path = f"{REVIEWS}/selfsubjectrulesreviews"
    _, body, _ = await served.call("POST", path, {"spec": {"namespace": "default"}}, headers=ANN)
    found = body["status"]
    own = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["p"]}
    assert own in found["resourceRules"]
    assert found["incomplete"] is False
    assert any("/healthz" in rule["nonResourceURLs"] for rule in found["nonResourceRules"])
    _, body, _ = await served.call("POST", path, {"spec": {"namespace": "kube-system"}}, headers=ANN)
    assert own not in body["status"]["resourceRules"]
    assert (await served.call("POST", path, {"spec": {}}, headers=ANN))[0] == 400


# -- grants --------------------------------------------------------------------------------------


async def test_nobody_hands_out_more_than_they_hold(served: Served) -> None:
    grants = rule("create update patch", RBAC, "roles rolebindings")
    await give(served, grants, rule("get list", "", "pods"))
    roles = f"{GRANTS}/namespaces/default/roles"
    bindings = f"{GRANTS}/namespaces/default/rolebindings"
    role = {"metadata": {"name": "r"}, "rules": [rule("get", "", "pods")]}
    assert (await served.call("POST", roles, role, headers=ANN))[0] == 201
    more = {"metadata": {"name": "r2"}, "rules": [rule("get delete", "", "pods")]}
    for query in ("", "?dryRun=All"):
        status, body, _ = await served.call("POST", roles + query, more, headers=ANN)
        assert (status, body["reason"]) == (403, "Forbidden")
        assert body["message"] == (
            f'roles.{RBAC} "r2" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to '
            'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], '
            'Verbs:["delete"]}'
        )
    merge = {"Content-Type": "application/merge-patch+json"}
    for method, sent, headers in (
        ("PUT", {**more, "metadata": {"name": "r"}}, ANN),
        ("PATCH", {"rules": more["rules"]}, {**ANN, **merge}),
    ):
        assert (await served.call(method, f"{roles}/r", sent, headers=headers))[0] == 403
    for kind, name, code in (
        ("Role", "r", 201),
        ("Role", "none", 404),
        ("ClusterRole", "cluster-admin", 403),
        ("ClusterRole", "system:aggregate-to-view", 403),
    ):
        body = {
            "metadata": {"generateName": "b-"},
            "roleRef": {"kind": kind, "name": name, "apiGroup": RBAC},
            "subjects": [{"kind": "User", "name": "bob", "apiGroup": RBAC}],
        }
        assert (await served.call("POST", bindings, body, headers=ANN))[0] == code, name
    await give(served, grants, rule("escalate", RBAC, "roles"), rule("bind", RBAC, "clusterroles"))
    assert (await served.call("POST", roles, more, headers=ANN))[0] == 201
    assert (await served.call("POST", bindings, body, headers=ANN))[0] == 201


# -- default roles -------------------------------------------------------------------------------


async def test_what_a_default_role_lost_comes_back_and_what_it_was_given_stays(
    serve: Callable[[], AbstractAsyncContextManager[Served]],
) -> None:
    name, extra = "system:discovery", {"verbs": ["get"], "nonResourceURLs": ["/mine"]}
    async with serve() as served:
        objects = served.plane.objects
        found = objects.get(CLUSTER_ROLES, "", name)
        assert found is not None
        kept = found["rules"]
        await objects.patch(CLUSTER_ROLES, "", name, {"rules": [extra]})
        await objects.patch(CLUSTER_ROLE_BINDINGS, "", name, {"subjects": None})
        await objects.delete(CLUSTER_ROLES, "", "system:basic-user")
        alone = {"metadata": {"annotations": {f"{RBAC.replace('k8s', 'kubernetes')}/autoupdate": "false"}}}
        await objects.patch(CLUSTER_ROLES, "", "system:auth-delegator", {**alone, "rules": []})
        assert (await served.call("GET", "/api", headers=ANN))[0] == 403
    async with serve() as served:
        objects = served.plane.objects
        rules = objects.get(CLUSTER_ROLES, "", name)["rules"]  # type: ignore[index]
        assert rules[0] == extra
        assert {url for rule in rules[1:] for url in rule["nonResourceURLs"]} == set(
            kept[0]["nonResourceURLs"]
        )
        assert objects.get(CLUSTER_ROLES, "", "system:basic-user") is not None
        assert not objects.get(CLUSTER_ROLES, "", "system:auth-delegator").get("rules")  # type: ignore[union-attr]
        assert (await served.call("GET", "/api", headers=ANN))[0] == 200
        before = objects.list(CLUSTER_ROLES)
    async with serve() as served:
        assert served.plane.objects.list(CLUSTER_ROLES) == before, "what is in order is left alone"


async def test_writers_in_process_are_not_asked(served: Served) -> None:
    assert isinstance(served.server, Server)
    before = served.plane.policy.evaluations
    everything = [rule("*", "*", "*")]
    await served.plane.objects.create(CLUSTER_ROLES, {"metadata": {"name": "all"}, "rules": everything})
    await served.plane.objects.delete(CLUSTER_ROLES, "", "all")
    assert served.plane.policy.evaluations == before
