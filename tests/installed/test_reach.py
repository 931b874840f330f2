"""Which objects an operator follows, and what it does where it may not see everything."""

from __future__ import annotations

import json

import pytest

from parts.installed import Installed
from parts.installed_objects import deployment, replicas, rules, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


def hpas(installed: Installed) -> set[str]:
    return {one["metadata"]["name"] for one in installed.get("hpa")["items"]}


def test_it_follows_the_namespaces_that_it_is_told_and_no_others(
    installed: Installed, redis: RedisProcess
) -> None:
    other = f"{installed.namespace}-b"
    third = f"{installed.namespace}-c"
    for name in (other, third):
        installed.kubectl("create", "namespace", name)
    try:
        environment = {"WATCH_NAMESPACE": f"{installed.namespace}, {other}"}
        installed.operator(environment=environment).start()
        for namespace in (third, other, installed.namespace):
            body = scaled_object("web", redis.address)
            body["metadata"]["namespace"] = namespace
            installed.kubectl("create", "deployment", "web", "--image=i", "--replicas=0", "-n", namespace)
            installed.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        redis.call("RPUSH", "web", "one")

        def count(namespace: str) -> str:
            return installed.kubectl("get", "deploy", "web", "-n", namespace, "-ojsonpath={.spec.replicas}")

        installed.until("both work", lambda: count(other) == "1" and count(installed.namespace) == "1")
        assert count(third) == "0"
        assert installed.kubectl("get", "hpa", "-n", third, "-o", "name") == ""
    finally:
        redis.call("DEL", "web")
        installed.kubectl(
            "patch", "so", "web", "-n", other, "--type=merge", '-p={"metadata":{"finalizers":null}}'
        )
        installed.kubectl("delete", "namespace", other, third, "--wait=false")


def test_an_object_without_the_label_is_left_alone_and_one_that_loses_it_keeps_what_it_has(
    installed: Installed, redis: RedisProcess
) -> None:
    installed.operator(environment={"WATCH_LABEL_SELECTOR": "team in (shop)"}).start()
    ours, theirs = scaled_object("ours", redis.address), scaled_object("theirs", redis.address)
    ours["metadata"]["labels"] = {"team": "shop"}
    theirs["metadata"]["labels"] = {"team": "depot"}
    installed.apply(deployment("ours"), deployment("theirs"), theirs, ours)
    installed.until("ours has its HPA", lambda: "keda-hpa-ours" in hpas(installed))
    assert hpas(installed) == {"keda-hpa-ours"}
    assert "finalizers" not in installed.get("scaledobject", "theirs")["metadata"]
    installed.patch("scaledobject", "ours", {"metadata": {"labels": {"team": None}}})
    installed.patch("scaledobject", "theirs", {"metadata": {"labels": {"team": "shop"}}})
    installed.until("theirs is ours now", lambda: "keda-hpa-theirs" in hpas(installed))
    redis.call("RPUSH", "ours", "one")
    redis.call("RPUSH", "theirs", "one")
    installed.until("it works", lambda: replicas(installed, "theirs") == 1)
    assert replicas(installed, "ours") == 0
    assert hpas(installed) == {"keda-hpa-ours", "keda-hpa-theirs"}
    redis.call("DEL", "ours", "theirs")


def test_without_the_right_to_list_secrets_only_what_needs_one_waits_and_says_so(
    installed: Installed, redis: RedisProcess
) -> None:
    account = installed.account(rules(without=("secrets",)))
    operator = installed.operator(kubeconfig=account)
    operator.start()
    plain, guarded = scaled_object("plain", redis.address), scaled_object("guarded", redis.address)
    guarded["spec"]["triggers"][0]["authenticationRef"] = {"name": "login"}
    target = [{"parameter": "password", "name": "login", "key": "password"}]
    installed.apply(
        deployment("plain"),
        deployment("guarded"),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"password": ""}},
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": {"name": "login"},
            "spec": {"secretTargetRef": target},
        },
        guarded,
        plain,
    )
    redis.call("RPUSH", "plain", "one")
    installed.until("it works", lambda: replicas(installed, "plain") == 1)
    assert installed.condition("scaledobject", "plain", "Ready")[0] == "True"
    installed.until(
        "the other one says why",
        lambda: installed.condition("scaledobject", "guarded", "Ready")[0] == "False",
    )
    text = installed.condition("scaledobject", "guarded", "Ready")[1]
    assert 'cannot list resource "secrets"' in text, text
    # An administrator mends it: nobody need touch the objects.
    installed.allow(account.stem, rules())
    installed.until(
        "it is healed", lambda: installed.condition("scaledobject", "guarded", "Ready")[0] == "True", 60
    )
    redis.call("DEL", "plain")
    assert operator.stop() == 0
