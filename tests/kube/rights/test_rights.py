"""Identities and rights: to the same manifests the embedded API gives a real one's answers."""

from __future__ import annotations

import json
import re
import ssl
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from parts.compared import differences, plain
from parts.conversation import Answer, Talk
from tidegate.local.apiserver.authorization.default_roles import default_objects
from tidegate.local.controllers.cluster.role_aggregation import aggregated

Talks = tuple[Talk, Talk]
RBAC = "rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
ACCESS, AUTHENTICATION = "/apis/authorization.k8s.io/v1", "/apis/authentication.k8s.io/v1"
POD = {"containers": [{"name": "c", "image": "tool"}], "serviceAccountName": "worker"}

RULES = [
    {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
    {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["update"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "update"]},
    {"apiGroups": [GROUP], "resources": ["roles", "rolebindings"], "verbs": ["create", "update"]},
    {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
]


def account(talk: Talk) -> str:
    return f"system:serviceaccount:{talk.namespace}:worker"


async def furnish(talk: Talk) -> None:
    """An account with rights in its namespace, and a pod of it."""
    group = {"group": RBAC}
    await talk.made(talk.path("serviceaccounts"), {"metadata": {"name": "worker"}})
    await talk.made(talk.path("roles", **group), {"metadata": {"name": "work"}, "rules": RULES})
    role = {"kind": "Role", "name": "work", "apiGroup": GROUP}
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": talk.namespace}
    binding = {"metadata": {"name": "workers"}, "roleRef": role, "subjects": [subject]}
    await talk.made(talk.path("rolebindings", **group), binding)
    missing = {"kind": "ClusterRole", "name": "no-such-role", "apiGroup": GROUP}
    binding = {"metadata": {"name": "dangling"}, "roleRef": missing, "subjects": [subject]}
    await talk.made(talk.path("rolebindings", **group), binding)
    await talk.made(talk.path("pods"), {"metadata": {"name": "p"}, "spec": {**POD, "nodeName": "none"}})


async def told(talk: Talk, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Status and body of an answer to the worker, without what is each server's own."""
    path = path.replace("NAMESPACE", talk.namespace)
    body = json.loads(json.dumps(body).replace("NAMESPACE", talk.namespace))
    how = {"headers": {"Impersonate-User": account(talk), **headers}}
    return shown(talk, await talk.ask(method, path, body, **how))


def shown(talk: Talk, answer: Answer) -> Any:
    text = json.dumps(answer.body) if not isinstance(answer.body, bytes) else "{}"
    text = text.replace("kubernetes-admin", "administrator").replace("tidegate-admin", "administrator")
    body = json.loads(text)
    body.pop("metadata", None)
    for rules in ("resourceRules", "nonResourceRules"):
        if rules in (body.get("status") or {}):
            body["status"][rules] = sorted(body["status"][rules], key=json.dumps)
    if not body.get("details"):
        body.pop("details", None)
    # A real one knows no name for the kind of a review: it says `.authorization.k8s.io "" is invalid`.
    body = json.loads(re.sub(r'(: ?\\?")[A-Za-z]*AccessReview\.', r"\1.", json.dumps(body)))
    if answer.status == 422 and "AccessReview" in body["details"].get("kind", ""):
        del body["details"]["kind"]
    return {"code": answer.status, "body": plain(without_nothing(body), talk.namespace)}


def without_nothing(body: Any) -> Any:
    """Go leaves out the fields of its types that are empty."""
    if isinstance(body, dict):
        return {key: without_nothing(value) for key, value in body.items() if value not in ("", [], None)}
    return body


async def compared(talks: Talks, *asked: Any, **headers: str) -> list[str]:
    """The lines in which the two answers differ."""
    ours, right = [await told(talk, *asked, **headers) for talk in talks]
    return list(differences(ours, right))


IN = "/api/v1/namespaces/NAMESPACE"
REQUESTS: list[tuple[Any, ...]] = [
    ("GET", f"{IN}/pods"),
    ("GET", f"{IN}/pods/none"),
    ("GET", f"{IN}/secrets"),
    ("GET", f"{IN}/secrets/none"),
    ("GET", "/api/v1/pods"),
    ("GET", "/api/v1/nodes/none"),
    ("GET", "/api/v1/namespaces/NAMESPACE"),
    ("GET", f"{IN}/configmaps/two"),
    ("GET", f"{IN}/configmaps/one"),
    ("DELETE", f"{IN}/pods"),
    ("DELETE", f"{IN}/pods/p"),
    ("POST", f"{IN}/configmaps", {"metadata": {"name": "x"}}),
    ("PUT", f"{IN}/pods/p/status", {}),
    ("GET", f"{IN}/pods/p/exec?command=x"),
    ("POST", f"{IN}/pods/p/exec?command=x", {}),
    ("GET", "/apis/apps/v1/namespaces/NAMESPACE/deployments/web/scale"),
    ("GET", "/apis/nosuch.example/v1/things"),
    ("GET", "/nosuch"),
    ("POST", "/nosuch", {}),
    ("GET", "/metrics"),
    ("GET", "/.well-known/openid-configuration/x"),
]


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: " ".join(asked[:2]))
async def test_a_request_is_let_in_or_refused_in_the_same_words(talks: Talks, asked: tuple[Any, ...]) -> None:
    for talk in talks:
        await furnish(talk)
    ours, right = [await told(talk, *asked) for talk in talks]
    if ours["code"] in (200, 404) and ours["code"] == right["code"]:
        return  # who may is shown what there is: other tests compare that
    assert list(differences(ours, right)) == []


def resource(verb: str, plural: str, **more: str) -> dict[str, Any]:
    return {"resourceAttributes": {"verb": verb, "resource": plural, "namespace": "NAMESPACE", **more}}


QUESTIONS: list[dict[str, Any]] = [
    resource("list", "pods"),
    resource("list", "pods", namespace=""),
    resource("list", "pods", namespace="default"),
    resource("get", "pods", subresource="log", name="p"),
    resource("get", "pods", subresource="exec"),
    resource("update", "deployments", group="apps", subresource="scale"),
    resource("update", "deployments", group="apps"),
    resource("get", "configmaps", name="one"),
    resource("get", "configmaps", name="two"),
    resource("get", "configmaps"),
    resource("*", "*", group="*"),
    resource("list", "pods", group="*"),
    {"nonResourceAttributes": {"verb": "get", "path": "/api"}},
    {"nonResourceAttributes": {"verb": "get", "path": "/openid/v1/jwks"}},
    {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}},
    {"nonResourceAttributes": {"verb": "get"}},
    {},
]


async def test_may_i_is_answered_as_by_a_cluster(talks: Talks) -> None:
    for talk in talks:
        await furnish(talk)
    found = {}
    for spec in QUESTIONS:
        lines = await compared(talks, "POST", f"{ACCESS}/selfsubjectaccessreviews", {"spec": spec})
        found |= {json.dumps(spec): lines} if lines else {}
    spec = {"namespace": "NAMESPACE"}
    lines = await compared(talks, "POST", f"{ACCESS}/selfsubjectrulesreviews", {"spec": spec})
    found |= {"rules": lines} if lines else {}
    assert found == {}, "\n".join(f"{k}\n    " + "\n    ".join(v) for k, v in found.items())


async def test_may_they_is_answered_as_by_a_cluster(talks: Talks) -> None:
    for talk in talks:
        await furnish(talk)
    found = {}
    who = "system:serviceaccount:NAMESPACE:worker"
    for user in ({"user": who}, {"user": "ann"}, {"groups": ["system:masters"]}, {}):
        for spec in QUESTIONS[:6]:
            for path in ("subjectaccessreviews", "namespaces/NAMESPACE/localsubjectaccessreviews"):
                body = {"spec": {**spec, **user}}
                asked = ("POST", f"{ACCESS}/{path}", body)
                lines = await compared(talks, *asked, **{"Impersonate-User": "a", "Impersonate-Group": ROOT})
                found |= {json.dumps((path, body)): lines} if lines else {}
    assert found == {}, "\n".join(f"{k}\n    " + "\n    ".join(v) for k, v in found.items())


ROOT = "system:masters"
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
MORE = {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "delete"]}
NAMED = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one", "two"], "verbs": ["get"]}


def bound(kind: str, name: str) -> dict[str, Any]:
    reference = {"kind": kind, "name": name, "apiGroup": GROUP}
    subject = {"kind": "User", "name": "ann", "apiGroup": GROUP}
    return {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [subject]}


GRANTS = [
    ("roles", {"metadata": {"name": "r"}, "rules": [PODS]}),
    ("roles", {"metadata": {"name": "r"}, "rules": [MORE]}),
    ("roles", {"metadata": {"name": "r"}, "rules": [NAMED, PODS]}),
    (
        "roles",
        {"metadata": {"name": "r"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
    ),
    ("rolebindings", bound("Role", "work")),
    ("rolebindings", bound("Role", "none")),
    ("rolebindings", bound("ClusterRole", "no-such-role")),
    ("rolebindings", bound("ClusterRole", "system:aggregate-to-admin")),
    ("clusterroles", {"metadata": {"name": "r"}, "rules": [PODS]}),
]


async def test_grants_are_refused_in_the_same_words(talks: Talks) -> None:
    for talk in talks:
        await furnish(talk)
    found = {}
    for plural, body in GRANTS:
        home = "" if plural.startswith("cluster") else "/namespaces/NAMESPACE"
        ours, right = [
            await told(talk, "POST", f"/apis/{RBAC}{home}/{plural}?dryRun=All", body) for talk in talks
        ]
        assert ours["code"] == right["code"], (body, ours, right)
        if right["code"] != 201:
            lines = list(differences(ours, right))
            found |= {json.dumps(body): lines} if lines else {}
    assert found == {}, "\n".join(f"{k}\n    " + "\n    ".join(v) for k, v in found.items())


async def token_of(talk: Talk, **spec: Any) -> Answer:
    path = talk.path("serviceaccounts", "worker", subresource="token")
    return await talk.post(path, {"spec": spec})


BOUND_TO_POD = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}
REQUESTED: list[dict[str, Any]] = [
    {},
    {"audiences": ["vault", "queue"], "expirationSeconds": 7200},
    BOUND_TO_POD,
    {**BOUND_TO_POD, "expirationSeconds": 3607},
    {"expirationSeconds": 599},
    {"expirationSeconds": 2**32 + 1},
    {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none"}},
    {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "none"}},
    {"boundObjectRef": {"kind": "Job", "apiVersion": "batch/v1", "name": "j"}},
    {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "another"}},
]


async def test_tokens_say_the_same_and_are_refused_in_the_same_words(talks: Talks) -> None:
    for talk in talks:
        await furnish(talk)
    found = {}
    for spec in REQUESTED:
        ours, right = [shown_token(talk, await token_of(talk, **spec)) for talk in talks]
        lines = list(differences(ours, right))
        found |= {json.dumps(spec): lines} if lines else {}
    assert found == {}, "\n".join(f"{k}\n    " + "\n    ".join(v) for k, v in found.items())


def shown_token(talk: Talk, answer: Answer) -> Any:
    if answer.status != 201:
        return shown(talk, answer)
    token = answer.body["status"].pop("token")
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    life = {name: claims.pop(name) - claims["nbf"] for name in ("exp", "iat")}
    warns = claims["kubernetes.io"].pop("warnafter", None)
    life["warns"] = None if warns is None else warns - claims["nbf"]
    del claims["nbf"]
    return {**shown(talk, answer), "claims": plain(claims, talk.namespace), "life": life}


async def test_tokens_are_reviewed_as_by_a_cluster(talks: Talks) -> None:
    answers: list[dict[str, Any]] = []
    for talk in talks:
        await furnish(talk)
        answers.append({name: answer async for name, answer in reviews(talk)})
    ours, right = answers
    assert ours.keys() == right.keys()
    found = {name: list(differences(ours[name], right[name])) for name in ours}
    assert {name: lines for name, lines in found.items() if lines} == {}


async def reviews(talk: Talk) -> AsyncIterator[tuple[str, Any]]:
    async def review(token: str, *audiences: str) -> Any:
        body = {"spec": {"token": token, "audiences": list(audiences)}}
        answer = await talk.post(f"{AUTHENTICATION}/tokenreviews", body)
        answer.body.get("spec", {}).pop("token", None)
        return without_identifiers(shown(talk, answer))

    async def given(**spec: Any) -> str:
        return str((await token_of(talk, **spec)).body["status"]["token"])

    plain_token, pod_token = await given(), await given(**BOUND_TO_POD)
    vault_token = await given(audiences=["vault"])
    # A real server remembers for some seconds what it has found good: these it sees only later.
    late = [await given(), await given(), await given(**BOUND_TO_POD)]
    yield "good", await review(plain_token)
    yield "of a pod", await review(pod_token)
    yield "of another audience", await review(vault_token)
    yield "of its audience", await review(vault_token, "vault", "x")
    yield "no token", await review("no-token")
    yield "no token in three parts", await review("a.b.c")
    yield "empty", await review("")
    async with unknown(talk) as nobody:
        for name, token in (("good", plain_token), ("other", vault_token), ("none", "no-token"), ("no", "")):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await nobody.post(f"{AUTHENTICATION}/selfsubjectreviews", {}, headers=headers)
            yield f"asked with: {name}", without_identifiers(shown(talk, answer))
    await talk.delete(talk.path("pods", "p"), {"gracePeriodSeconds": 0})
    yield "of a pod that is gone", await review(late[2])
    await talk.delete(talk.path("serviceaccounts", "worker"))
    yield "of an account that is gone", await review(late[0])
    await talk.made(talk.path("serviceaccounts"), {"metadata": {"name": "worker"}})
    yield "of another account of that name", await review(late[1])


@asynccontextmanager
async def unknown(talk: Talk) -> AsyncIterator[Talk]:
    """A conversation with the same server by somebody whom it does not know."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Talk(session, talk.url)


def without_identifiers(body: Any) -> Any:
    return json.loads(re.sub(r"JTI=[^\"]*", "JTI=", json.dumps(body)))


def default_names() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for one, body in default_objects():
        meta = body["metadata"]
        yield one.path(meta.get("namespace", ""), meta["name"]), meta["name"], body


async def test_the_default_roles_are_those_of_a_cluster(talks: Talks) -> None:
    (ours, real), found = talks, {}
    roles = (await real.get(f"/apis/{RBAC}/clusterroles")).body["items"]
    for path, name, wanted in default_names():
        mine, right = [(await talk.get(path)).body for talk in (ours, real)]
        for body in (mine, right):
            for part in ("rules", "subjects"):
                body[part] = sorted(json.dumps(one, sort_keys=True) for one in body.get(part) or ())
        if wanted.get("aggregationRule"):
            rules = aggregated(right, roles)
            assert sorted(json.dumps(one, sort_keys=True) for one in rules) == right.pop("rules")
            mine.pop("rules")
        lines = list(differences(plain(mine, ours.namespace), plain(right, real.namespace)))
        found |= {name: lines} if lines else {}
    assert found == {}, "\n".join(f"{k}\n    " + "\n    ".join(v) for k, v in found.items())
