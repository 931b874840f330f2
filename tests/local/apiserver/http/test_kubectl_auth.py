"""What kubectls of several versions say of identities and rights: auth, create token, --as."""

from __future__ import annotations

import json

import pytest

from parts.kubectls import Kubectl, apply, good
from parts.served import Served

pytestmark = pytest.mark.real

ROLE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: worker}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], resourceNames: [web], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: worker}]
"""
WORKER = "system:serviceaccount:default:worker"
AS_WORKER = ("--as", WORKER)
QUESTIONS = [
    (("list", "pods"), "yes"),
    (("get", "pods", "--subresource=log"), "yes"),
    (("get", "pods/x"), "yes"),
    (("list", "pods", "-n", "kube-system"), "no"),
    (("list", "pods", "-A"), "no"),
    (("delete", "pods"), "no"),
    (("get", "secrets"), "no"),
    (("patch", "deployments.apps/web"), "yes"),
    (("patch", "deployments.apps"), "no"),
    (("get", "/healthz"), "yes"),
    (("get", "/metrics"), "no"),
]


async def test_may_i(kubectl: Kubectl) -> None:
    await apply(kubectl, ROLE)
    assert (await good(kubectl, "auth", "can-i", "*", "*", "-A")).strip() == "yes"
    for words, answer in QUESTIONS:
        code, out, err = await kubectl("auth", "can-i", *words, *AS_WORKER)
        assert (out.strip(), code) == (answer, 0 if answer == "yes" else 1), (words, err)
    code, out, err = await kubectl("auth", "can-i", "list", "pods", "--as", "ann", "--as-group", "dev")
    assert (code, out.strip()) == (1, "no"), err


async def test_what_may_i(kubectl: Kubectl) -> None:
    await apply(kubectl, ROLE)
    lines = (await good(kubectl, "auth", "can-i", "--list", *AS_WORKER)).splitlines()
    cells = {line.split()[0]: line for line in lines[1:]}
    assert cells["pods"].endswith("[get list watch]")
    assert "[web]" in cells["deployments.apps"]
    assert "selfsubjectaccessreviews.authorization.k8s.io" in cells
    assert any("[/healthz]" in line and line.endswith("[get]") for line in lines)


async def test_who_am_i(kubectl: Kubectl) -> None:
    if kubectl.version == "1.27":  # type: ignore[attr-defined]
        code, _, err = await kubectl("auth", "whoami")
        assert (code, "API is not enabled" in err) == (1, True), "it asks for a version of before 1.28 only"
        return
    out = await good(kubectl, "auth", "whoami", "-o", "json", *AS_WORKER)
    shown = json.loads(out)["status"]["userInfo"]
    assert shown["username"] == WORKER
    assert "system:serviceaccounts:default" in shown["groups"]
    assert "tidegate-admin" in await good(kubectl, "auth", "whoami")


async def test_a_token_is_made_and_lets_its_account_in(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, ROLE)
    token = (await good(kubectl, "create", "token", "worker", "--duration=20m")).strip()
    as_worker = ("--kubeconfig", "/dev/null", "--token", token, "--server", served.server.url)
    trust = ("--certificate-authority", str(served.directory / "tls" / "ca.crt"))
    assert "No resources found" in (await kubectl(*as_worker, *trust, "get", "pods", "-n", "default"))[2]
    code, _, err = await kubectl(*as_worker, *trust, "get", "secrets", "-n", "default")
    assert code == 1
    assert err.strip() == (
        f'Error from server (Forbidden): secrets is forbidden: User "{WORKER}" cannot list resource '
        '"secrets" in API group "" in the namespace "default"'
    )
    code, _, err = await kubectl("create", "token", "worker", "--bound-object-kind=Pod")
    assert code == 1
    code, _, err = await kubectl("create", "token", "nobody")
    assert (code, 'serviceaccounts "nobody" not found' in err) == (1, True), err
    code, _, err = await kubectl("create", "token", "worker", "--duration=1m")
    assert (code, "less than 10 minutes" in err) == (1, True), err


async def test_rights_are_given_by_kubectl_and_take_effect_at_once(kubectl: Kubectl) -> None:
    asked = ("auth", "can-i", "create", "jobs", "--as", "ann")
    assert (await kubectl(*asked))[0] == 1
    await good(kubectl, "create", "role", "runner", "--verb=create", "--resource=jobs.batch")
    await good(kubectl, "create", "rolebinding", "runners", "--role=runner", "--user=ann")
    assert (await kubectl(*asked))[0] == 0
    await good(kubectl, "delete", "rolebinding", "runners")
    assert (await kubectl(*asked))[0] == 1
    await good(kubectl, "create", "clusterrolebinding", "all", "--clusterrole=cluster-admin", "--group=ops")
    assert (await kubectl("auth", "can-i", "delete", "nodes", "--as", "ann", "--as-group=ops"))[0] == 0
    assert "runner" in await good(kubectl, "describe", "role", "runner")
    code, _, err = await kubectl("delete", "role", "runner", "--as", "ann")
    assert (code, 'User "ann" cannot delete resource "roles"' in err) == (1, True), err


async def test_manifests_of_rights_are_reconciled(kubectl: Kubectl) -> None:
    grants = ROLE.partition("---")[2].replace("{name: ", "{namespace: default, name: ")
    grants = grants.replace("name: worker}", "namespace: default, name: worker}")
    await good(kubectl, "auth", "reconcile", "-f", "-", stdin=grants)
    assert (await kubectl("auth", "can-i", "list", "pods", *AS_WORKER))[0] == 0
