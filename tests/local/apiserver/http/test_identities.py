"""Tokens of ServiceAccounts over HTTP: given out, checked, ended; and who somebody is told to be."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from parts.served import Served
from tidegate.kube.resource import NODES, PODS, SECRETS, SERVICE_ACCOUNTS
from tidegate.local.apiserver.authentication.claims import ISSUER

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WORKER = "system:serviceaccount:default:worker"


async def worker(served: Served) -> dict[str, Any]:
    body = {"metadata": {"name": "worker", "namespace": "default"}}
    return await served.plane.objects.create(SERVICE_ACCOUNTS, body)


async def a_pod(served: Served, name: str = "p") -> dict[str, Any]:
    spec = {
        "serviceAccountName": "worker",
        "nodeName": "local",
        "containers": [{"name": "c", "image": "tool"}],
    }
    body = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    return await served.plane.objects.create(PODS, body)


async def token_of(served: Served, expect: int = 201, **spec: Any) -> Any:
    """What a TokenRequest for `worker` is answered."""
    status, body, _ = await served.call("POST", f"{ACCOUNTS}/worker/token", {"spec": spec})
    assert status == expect, body
    return body


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def whoami(served: Served, token: str, **headers: str) -> tuple[int, Any]:
    status, body, _ = await served.call("POST", WHOAMI, {}, headers=bearer(token) | headers)
    return status, body["status"]["userInfo"] if status == 201 else body


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def reviewed(served: Served, token: str, *audiences: str) -> Any:
    spec = {"token": token, "audiences": list(audiences)}
    status, body, _ = await served.call("POST", REVIEWS, {"spec": spec})
    assert status == 201, body
    return body["status"]


async def test_a_token_says_what_kubernetes_tokens_say_and_makes_its_account_known(served: Served) -> None:
    account = await worker(served)
    answer = await token_of(served)
    said = claims(answer["status"]["token"])
    assert said["iss"] == ISSUER
    assert said["aud"] == answer["spec"]["audiences"] == [ISSUER]
    assert said["sub"] == WORKER
    assert said["exp"] - said["iat"] == answer["spec"]["expirationSeconds"] == 3600
    assert said["nbf"] == said["iat"]
    assert said["kubernetes.io"] == {
        "namespace": "default",
        "serviceaccount": {"name": "worker", "uid": account["metadata"]["uid"]},
    }
    assert (await whoami(served, answer["status"]["token"])) == (
        201,
        {
            "username": WORKER,
            "uid": account["metadata"]["uid"],
            "groups": [
                "system:serviceaccounts",
                "system:serviceaccounts:default",
                "system:authenticated",
            ],
            "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={said['jti']}"]},
        },
    )


async def test_the_kubeconfig_makes_an_administrator(served: Served) -> None:
    assert await whoami(served, served.token) == (
        201,
        {"username": "tidegate-admin", "groups": ["system:masters", "system:authenticated"]},
    )
    assert (await reviewed(served, served.token))["user"]["username"] == "tidegate-admin"
    assert "authenticated" not in await reviewed(served, served.token, "vault")


@pytest.mark.parametrize(
    ("spec", "code", "word"),
    [
        ({"expirationSeconds": 599}, 422, "less than 10 minutes"),
        ({"expirationSeconds": 2**32 + 1}, 422, "larger than 2^32 seconds"),
        ({"expirationSeconds": "soon"}, 400, "whole number"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none"}}, 404, "not found"),
        ({"boundObjectRef": {"kind": "Job", "apiVersion": "batch/v1", "name": "x"}}, 400, "cannot bind"),
        (
            {"boundObjectRef": {"kind": "Node", "apiVersion": "v1", "name": "local", "uid": "x"}},
            409,
            "does not match the UID in record",
        ),
    ],
)
async def test_a_token_that_cannot_be_is_refused(
    served: Served, spec: dict[str, Any], code: int, word: str
) -> None:
    await worker(served)
    answer = await token_of(served, code, **spec)
    assert word in answer["message"]


async def test_a_token_is_bound_to_pods_of_its_own_account_only(served: Served) -> None:
    await worker(served)
    pod = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "t"}]},
    }
    await served.plane.objects.create(PODS, pod)
    answer = await token_of(served, 400, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    assert "different serviceaccount name" in answer["message"]


async def test_a_token_ends_with_the_object_it_is_bound_to(served: Served) -> None:
    objects = served.plane.objects
    await worker(served)
    pod = await a_pod(served)
    secret = await objects.create(SECRETS, {"metadata": {"name": "s", "namespace": "default"}})
    node = objects.get(NODES, "", "local")
    assert node is not None
    tokens = {}
    for kind, found in (("Pod", pod), ("Secret", secret), ("Node", node)):
        reference = {"kind": kind, "apiVersion": "v1", "name": found["metadata"]["name"]}
        answer = await token_of(served, boundObjectRef=reference)
        tokens[kind] = answer["status"]["token"]
        own = claims(tokens[kind])["kubernetes.io"]
        assert own[kind.lower()] == {"name": reference["name"], "uid": found["metadata"]["uid"]}
        assert (await whoami(served, tokens[kind]))[0] == 201
    extra = (await whoami(served, tokens["Pod"]))[1]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert extra["authentication.kubernetes.io/node-name"] == ["local"]
    await objects.delete(PODS, "default", "p", grace_s=0)
    await objects.delete(SECRETS, "default", "s")
    await objects.delete(NODES, "", "local")
    for kind, token in tokens.items():
        assert (await whoami(served, token))[0] == 401, kind
        assert (await reviewed(served, token))["error"] == (
            "[invalid bearer token, service account token has been invalidated]"
        )
    await a_pod(served)
    assert "does not match" in (await reviewed(served, tokens["Pod"]))["error"], "another pod of that name"


async def test_a_token_ends_with_its_account_and_no_later_one_of_that_name_has_it(served: Served) -> None:
    await worker(served)
    token = (await token_of(served))["status"]["token"]
    await served.plane.objects.delete(SERVICE_ACCOUNTS, "default", "worker")
    assert 'serviceaccounts "worker" not found' in (await reviewed(served, token))["error"]
    await worker(served)
    assert "does not match claim" in (await reviewed(served, token))["error"]
    assert (await whoami(served, token))[0] == 401


async def test_a_token_is_good_for_its_audiences_only(served: Served) -> None:
    await worker(served)
    token = (await token_of(served, audiences=["vault", "queue"]))["status"]["token"]
    assert (await whoami(served, token))[0] == 401
    status = await reviewed(served, token, "vault", "other")
    assert (status["authenticated"], status["audiences"]) == (True, ["vault"])
    assert status["user"]["username"] == WORKER
    status = await reviewed(served, token)
    assert "authenticated" not in status
    assert 'token audiences ["vault" "queue"] is invalid for' in status["error"]


async def test_what_pods_get_by_default_lives_on_for_a_year_and_is_renewed_in_an_hour(served: Served) -> None:
    await worker(served)
    await a_pod(served)
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    answer = await token_of(served, boundObjectRef=reference, expirationSeconds=3607)
    said = claims(answer["status"]["token"])
    assert said["kubernetes.io"]["warnafter"] - said["iat"] == 3607
    assert said["exp"] - said["iat"] == 365 * 86_400
    for other in ({"expirationSeconds": 3600}, {"expirationSeconds": 3607, "audiences": ["vault"]}):
        answer = await token_of(served, boundObjectRef=reference, **other)
        assert "warnafter" not in claims(answer["status"]["token"])["kubernetes.io"]


async def test_the_token_of_a_secret_lasts_as_long_as_the_secret(served: Served) -> None:
    account = await worker(served)
    meta = {"name": "s", "namespace": "default"}
    annotated = {**meta, "annotations": {"kubernetes.io/service-account.name": "worker"}}
    typed = {"type": "kubernetes.io/service-account-token"}
    status, body, _ = await served.call(
        "POST", "/api/v1/namespaces/default/secrets", {"metadata": meta, **typed}
    )
    assert (status, body["details"]["causes"][0]["field"]) == (
        422,
        "metadata.annotations[kubernetes.io/service-account.name]",
    )
    secret = await served.plane.objects.create(SECRETS, {"metadata": annotated, **typed})
    token = served.plane.tokens.of_secret(account, secret)
    assert claims(token)["exp"] - claims(token)["iat"] > 50 * 365 * 86_400
    assert (await whoami(served, token))[0] == 201
    await served.plane.objects.delete(SECRETS, "default", "s")
    assert (await whoami(served, token))[0] == 401


async def test_a_changed_token_is_none(served: Served) -> None:
    await worker(served)
    token = (await token_of(served))["status"]["token"]
    head, body, signature = token.split(".")
    others = json.dumps({**claims(token), "sub": "system:serviceaccount:kube-system:default"}).encode()
    forged = base64.urlsafe_b64encode(others).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    flipped = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    for wrong in (
        f"{head}.{forged}.{signature}",
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}",
    ):
        assert (await whoami(served, wrong))[0] == 401
        status = await reviewed(served, wrong)
        assert "authenticated" not in status
        assert "invalid" in status["error"]
        assert wrong not in json.dumps(status["error"])


async def test_tokens_outlive_the_server_and_the_key_is_its_owners_alone(
    serve: Callable[[], AbstractAsyncContextManager[Served]],
) -> None:
    async with serve() as served:
        await worker(served)
        token = (await token_of(served))["status"]["token"]
        key = served.directory / "tls" / "serviceaccounts.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    async with serve() as served:
        assert (await whoami(served, token))[0] == 201


async def test_a_signature_is_checked_once(served: Served) -> None:
    await worker(served)
    token = (await token_of(served))["status"]["token"]
    for _ in range(20):
        assert (await whoami(served, token))[0] == 201
    assert served.plane.tokens.verifications == 1


async def test_others_can_check_tokens_by_what_the_issuer_publishes(served: Served) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    await worker(served)
    token = (await token_of(served))["status"]["token"]
    status, found, _ = await served.call("GET", "/.well-known/openid-configuration", headers=bearer(token))
    assert (status, found["issuer"], found["id_token_signing_alg_values_supported"]) == (
        200,
        ISSUER,
        ["ES256"],
    )
    status, raw, response = await served.call(
        "GET", found["jwks_uri"].removeprefix(served.server.url), headers=bearer(token)
    )
    assert (status, response.content_type) == (200, "application/jwk-set+json")
    (key,) = json.loads(raw)["keys"]

    def number(text: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")

    head, body, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    assert header == {"alg": "ES256", "kid": key["kid"]}
    public = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()
    both = base64.urlsafe_b64decode(signature + "==")
    encoded = encode_dss_signature(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))
    public.verify(encoded, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))


# -- impersonation -------------------------------------------------------------------------------


async def test_an_administrator_may_be_anybody(served: Served) -> None:
    token = served.token
    assert (await whoami(served, token, **{"Impersonate-User": "ann"}))[0] == 201
    _, shown = await whoami(
        served,
        token,
        **{"Impersonate-User": "ann", "Impersonate-Group": "dev", "Impersonate-Extra-Scopes%2fx": "view"},
    )
    assert shown == {
        "username": "ann",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes/x": ["view"]},
    }
    _, shown = await whoami(served, token, **{"Impersonate-User": "system:serviceaccount:a:b"})
    assert shown["groups"] == ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]
    status, body = await whoami(served, token, **{"Impersonate-User": "system:anonymous"})
    assert status == 403, "nobody may ask who they are"
    assert 'User "system:anonymous" cannot create resource "selfsubjectreviews"' in body["message"]
    status, body = await whoami(served, token, **{"Impersonate-Group": "dev"})
    assert (status, body["reason"]) == (400, "BadRequest")


async def test_who_impersonates_keeps_no_power_of_their_own(served: Served) -> None:
    headers = {"Impersonate-User": "ann"}
    status, body, _ = await served.call("GET", "/api/v1/namespaces/default/pods", headers=headers)
    assert status == 403
    assert body["message"] == (
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"'
    )


async def test_others_may_be_whom_they_are_allowed_to_be(served: Served) -> None:
    await worker(served)
    token = (await token_of(served))["status"]["token"]
    wanted = {"Impersonate-User": "ann", "Impersonate-Group": "dev"}
    status, body = await whoami(served, token, **wanted)
    assert (status, body["message"]) == (
        403,
        f'users "ann" is forbidden: User "{WORKER}" cannot impersonate resource "users" in API group "" '
        "at the cluster scope",
    )
    rules = [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["ann"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"], "verbs": ["impersonate"]},
    ]
    await bound(served, rules)
    assert (await whoami(served, token, **wanted))[0] == 201
    for more in ({"Impersonate-Group": "system:masters"}, {"Impersonate-User": "bob"}):
        assert (await whoami(served, token, **{**wanted, **more}))[0] == 403
    assert (await whoami(served, token, **wanted, **{"Impersonate-Uid": "7"}))[0] == 403
    assert (await whoami(served, token, **wanted, **{"Impersonate-Extra-x": "7"}))[0] == 403


async def bound(served: Served, rules: list[dict[str, Any]]) -> None:
    group = "/apis/rbac.authorization.k8s.io/v1"
    role = {"metadata": {"name": "workers"}, "rules": rules}
    assert (await served.call("POST", f"{group}/clusterroles", role))[0] == 201
    binding = {
        "metadata": {"name": "workers"},
        "roleRef": {"kind": "ClusterRole", "name": "workers", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "default"}],
    }
    assert (await served.call("POST", f"{group}/clusterrolebindings", binding))[0] == 201
