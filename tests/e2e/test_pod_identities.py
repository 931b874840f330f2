"""Programs in pods talk to the API as the ServiceAccount that they run as, by the official client."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real]

PROGRAM = """
from kubernetes import client, config
from kubernetes.client.rest import ApiException
config.load_incluster_config()
core = client.CoreV1Api()
def tried(call):
    try:
        return sorted(one.metadata.name for one in call().items)
    except ApiException as error:
        return error.status, __import__("json").loads(error.body)["message"]
print("pods", tried(lambda: core.list_namespaced_pod("default")), flush=True)
print("secrets", tried(lambda: core.list_namespaced_secret("default")), flush=True)
print("others", tried(lambda: core.list_pod_for_all_namespaces()), flush=True)
print("me", client.AuthenticationV1Api().create_self_subject_review({}).status.user_info.username, flush=True)
"""
RIGHTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: mute}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
"""
FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


def pod(name: str, account: str, command: list[str], **spec: Any) -> str:
    container = {"name": "c", "image": "tool", "command": command}
    whole = {"serviceAccountName": account, "restartPolicy": "Never", "containers": [container], **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole})


def lines_of(up: Up, name: str, account: str, **spec: Any) -> dict[str, str]:
    """What the program in a pod said, by the first word of each line."""
    up.kubectl("apply", "-f", "-", stdin=pod(name, account, [sys.executable, "-c", PROGRAM], **spec))
    up.until("the program has run", lambda: up.get("pod", name)["status"]["phase"] == "Succeeded")
    lines = up.kubectl("logs", name).splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def test_a_pod_may_what_its_account_may(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=RIGHTS)
    said = lines_of(up, "by-right", "reader")
    assert said["pods"] == "['by-right']"
    assert said["secrets"].startswith("(403,")
    assert "system:serviceaccount:default:reader" in said["secrets"]
    assert "at the cluster scope" in said["others"]
    assert said["me"] == "system:serviceaccount:default:reader"
    said = lines_of(up, "on-the-machine", "reader", hostNetwork=True)
    assert said["pods"] == "['by-right', 'on-the-machine']", "the machine's network leads to the API as well"
    said = lines_of(up, "without", "default")
    assert said["pods"].startswith("(403,")
    up.kubectl("delete", "rolebinding", "readers")
    assert lines_of(up, "too-late", "reader")["pods"].startswith("(403,")


def test_people_get_rights_by_the_roles_of_every_cluster(up: Up) -> None:
    def may(*words: str) -> bool:
        return up.kubectl("auth", "can-i", *words, "--as", "ann", check=False).startswith("yes")

    up.until("view is made of others", lambda: bool(up.get("clusterrole", "view").get("rules")))
    up.kubectl("create", "rolebinding", "looks", "--clusterrole=view", "--user=ann")
    assert may("list", "deployments.apps")
    assert may("get", "pods", "--subresource=log")
    assert not may("list", "secrets")
    assert not may("create", "deployments.apps")
    assert not may("list", "scaledobjects.keda.sh")
    up.until("admin is made of others", lambda: bool(up.get("clusterrole", "admin").get("rules")))
    up.kubectl("create", "rolebinding", "rules", "--clusterrole=admin", "--user=ann")
    assert may("create", "deployments.apps")
    assert may("create", "rolebindings.rbac.authorization.k8s.io")
    assert not may("list", "nodes")
    up.kubectl("create", "clusterrole", "scalers", "--verb=get,list", "--resource=scaledobjects.keda.sh")
    up.kubectl("label", "clusterrole", "scalers", "rbac.authorization.k8s.io/aggregate-to-view=true")
    up.until("who may look sees ScaledObjects", lambda: may("list", "scaledobjects.keda.sh"))


def test_a_token_ends_with_its_pod(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=RIGHTS)
    up.kubectl("apply", "-f", "-", stdin=pod("p", "reader", ["sleep", "600"]))
    up.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    token = up.kubectl("exec", "p", "--", "cat", f"{FOLDER}/token")
    assert up.kubectl("exec", "p", "--", "cat", f"{FOLDER}/namespace") == "default"
    assert "BEGIN CERTIFICATE" in up.kubectl("exec", "p", "--", "cat", f"{FOLDER}/ca.crt")

    def as_pod(*words: str) -> str:
        server = json.loads(up.kubectl("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
        trust = up.folder / "tls" / "ca.crt"
        words = (*words, "--server", server["server"], "--certificate-authority", str(trust))
        return up.kubectl("--kubeconfig", "/dev/null", "--token", token, *words, check=False)

    assert "pod/p" in as_pod("get", "pods", "-n", "default", "-o", "name")
    up.kubectl("delete", "pod", "p", "--grace-period=1")
    assert "Unauthorized" in as_pod("get", "pods", "-n", "default", "-o", "name")


def test_who_does_not_want_a_token_has_none(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=RIGHTS)
    script = ["sh", "-c", f"ls {FOLDER}/token && sleep 600 || echo none; sleep 600"]
    up.kubectl("apply", "-f", "-", stdin=pod("of-account", "mute", script))
    up.kubectl("apply", "-f", "-", stdin=pod("own", "reader", script, automountServiceAccountToken=False))
    up.kubectl("apply", "-f", "-", stdin=pod("both", "mute", script, automountServiceAccountToken=True))
    for name, word in (("of-account", "none"), ("own", "none"), ("both", "token")):
        up.until(
            f"{name} says so", lambda name=name, word=word: word in up.kubectl("logs", name, check=False)
        )


def test_a_pod_has_the_tokens_that_it_asks_for(up: Up) -> None:
    source = {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}}
    volume = {"name": "v", "projected": {"sources": [source]}}
    container = {
        "name": "c",
        "image": "tool",
        "command": ["sleep", "600"],
        "volumeMounts": [{"name": "v", "mountPath": "/var/run/tokens"}],
    }
    up.kubectl("apply", "-f", "-", stdin=pod("p", "default", [], containers=[container], volumes=[volume]))
    up.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    token = up.kubectl("exec", "p", "--", "cat", "/var/run/tokens/vault")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    review |= {"spec": {"token": token, "audiences": ["vault"]}}
    answer = json.loads(up.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))["status"]
    assert answer["user"]["username"] == "system:serviceaccount:default:default"
    assert answer["audiences"] == ["vault"]
    assert answer["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
