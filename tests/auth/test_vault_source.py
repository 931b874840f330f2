"""`hashiCorpVault` and `oauth2`: what is asked of whom, with which login, and what is refused before."""

from __future__ import annotations

import pytest

from tidegate.auth.resolve import Options, Unresolved
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.vault import (
    KubernetesLogin,
    TokenLogin,
    VaultDefaults,
    VaultIssue,
    VaultRead,
    VaultServer,
)

CLUSTER = "ClusterTriggerAuthentication"
ADDRESS = "https://vault.example:8200"
OWN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
SERVER = VaultServer(ADDRESS, TokenLogin("t"))


def secret(parameter="password", path="secret/data/redis", key="password", **more):
    return {"parameter": parameter, "path": path, "key": key, **more}


def vault(*secrets, **more):
    spec = {"address": ADDRESS, "authentication": "token", "credential": {"token": "t"}, **more}
    return {"hashiCorpVault": {**spec, "secrets": list(secrets or (secret(),))}}


def by_kubernetes(**more):
    return vault(authentication="kubernetes", **{"mount": "kubernetes", "role": "shop", **more})


@pytest.fixture
def asked(world, resolved):
    """The questions of a specification, for namespace shop."""

    def ask(spec, *, kind=None, **options):
        world.authentication("x", spec)
        world.cluster_authentication("x", spec)
        found = resolved("x", kind=kind, options=Options(cluster_namespace="keda", **options))
        if isinstance(found, Unresolved) and not found.is_waiting:
            return found.message
        return found.wanted

    return ask


def login_of(questions):
    (question,) = questions
    return question.server.login


def test_parameters_of_one_path_are_one_question(asked):
    several = vault(secret(), secret("username", key="user"), secret("host", path="/secret/data/redis/"))
    assert asked(several) == {VaultRead(SERVER, "secret/data/redis")}


def test_paths_and_kinds_are_apart(asked):
    several = vault(secret(), secret("b", type="secretV2"), secret("c", path="old/redis", type="secret"))
    assert asked(several) == {
        VaultRead(SERVER, "secret/data/redis"),
        VaultRead(SERVER, "secret/data/redis", "secretV2"),
        VaultRead(SERVER, "old/redis", "secret"),
    }


def test_a_certificate_is_one_question_for_all_its_parameters(asked):
    pki = {"type": "pki", "pkiData": {"commonName": "web.example", "ttl": "2h", "altNames": ""}}
    several = vault(
        *(secret(key, "pki/issue/web", key, **pki) for key in ("certificate", "private_key", "ca_chain"))
    )
    fields = (("common_name", "web.example"), ("ttl", "2h"))
    assert asked(several) == {VaultIssue(SERVER, "pki/issue/web", fields)}


def test_values_become_parameters_by_their_keys(world, resolved):
    class Held:
        def held(self, question):
            return Fetched({"password": "p", "user": "u"})

    world.authentication("x", vault(secret(), secret("username", key="user")))
    assert resolved("x", options=Options(fetches=Held())).params == {"password": "p", "username": "u"}


def test_address_path_and_namespace_say_where(asked):
    (question,) = asked(vault(address=f"{ADDRESS}/base/", namespace="team"))
    assert question.server == VaultServer(ADDRESS, TokenLogin("t"), "team", "/base")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (vault(address="vault.example:8200"), "address is not an absolute URL (http:// or https://"),
        (vault(address="ftp://vault"), "address is not an absolute URL"),
        (vault(credential={}), "could not get Vault token; set credential.token"),
        (vault(credential={"token": "a\nb"}), "credential.token cannot be sent in a header"),
        (vault(namespace="a\nb"), "namespace cannot be sent in a header"),
        (vault(secret(path="/")), '"/" is no path of a secret'),
        (vault(secret(path="a/../../sys/x")), '"a/../../sys/x" is no path of a secret'),
        (by_kubernetes(mount=""), "auth mount not in config"),
        (by_kubernetes(role=""), "k8s role not in config"),
        (by_kubernetes(mount="../../sys", credential={"serviceAccountName": "r"}), "is no mount of an auth"),
    ],
)
def test_what_cannot_be_asked_is_told_before(asked, spec, told):
    assert told in asked(spec)


def test_a_refused_text_does_not_repeat_the_token(asked):
    assert "x-marks" not in asked(vault(credential={"token": "x-marks\nthe-spot"}))


def test_a_service_account_of_the_object_logs_in(asked):
    spec = by_kubernetes(credential={"serviceAccountName": "robot", "serviceAccount": "/some/file"})
    expected = KubernetesLogin("kubernetes", "shop", account="shop/robot")
    assert login_of(asked(spec)) == expected
    assert login_of(asked(spec, kind=CLUSTER)) == expected


@pytest.mark.parametrize("credential", [{}, {"serviceAccount": "/some/file"}])
def test_the_token_of_the_autoscaler_is_for_those_it_is_lent_to(asked, credential):
    spec = by_kubernetes(credential=credential)
    told = asked(spec)
    assert "the autoscaler's own token is not lent to namespace shop" in told
    assert "set credential.serviceAccountName, or an administrator can lend them by" in told
    file = credential.get("serviceAccount", OWN_FILE)
    expected = KubernetesLogin("kubernetes", "shop", file=file)
    assert login_of(asked(spec, lends_identity=("shop",))) == expected


@pytest.mark.parametrize(
    ("own", "lent", "expected"),
    [
        (VaultDefaults(token="own"), (), TokenLogin("t")),
        (VaultDefaults(token="own"), ("shop",), TokenLogin("own")),
        (VaultDefaults(token="own", address=ADDRESS), ("*",), TokenLogin("own")),
        (VaultDefaults(token="own", address="https://other"), ("*",), TokenLogin("t")),
    ],
)
def test_a_vault_token_of_the_autoscaler_goes_where_it_belongs(asked, own, lent, expected):
    assert login_of(asked(vault(), vault=own, lends_identity=lent)) == expected


def test_a_token_that_is_not_lent_is_named_as_a_way_out(asked):
    told = asked(vault(credential={}), vault=VaultDefaults(token="own"))
    assert "set credential.token, or an administrator can lend them" in told


def test_the_administrators_namespace_holds_where_none_is_written(asked):
    defaults = VaultDefaults(namespace="all")
    (first,) = asked(vault(), vault=defaults)
    (second,) = asked(vault(namespace="team"), vault=defaults)
    assert (first.server.namespace, second.server.namespace) == ("all", "team")


def test_a_question_shows_no_token(asked):
    assert "x-marks-the-spot" not in repr(asked(vault(credential={"token": "x-marks-the-spot"})))


def oauth2(**more):
    return {"oauth2": {"clientId": "c", "tokenUrl": "https://login.example/token", **more}}


def from_secret(name="login", key="secret"):
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def test_oauth2_is_the_parameters_of_a_trigger_that_fetches_tokens(world, resolved):
    world.secret("login", secret="hunter2")
    spec = oauth2(
        clientSecret=from_secret(),
        scopes=["read", "write"],
        tokenUrlParams={"resource": "a b", "audience": "https://x?y=1"},
    )
    world.authentication("x", spec)
    assert resolved("x").params == {
        "oauthTokenURI": "https://login.example/token",
        "clientID": "c",
        "clientSecret": "hunter2",
        "scopes": "read,write",
        "endpointParams": "audience=https%3A%2F%2Fx%3Fy%3D1&resource=a+b",
    }


def test_what_oauth2_leaves_out_is_no_parameter(world, resolved):
    world.authentication("x", oauth2())
    found = resolved("x").params
    assert found == {"oauthTokenURI": "https://login.example/token", "clientID": "c"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (oauth2(tokenUrl="login.example"), "oauth2.tokenUrl"),
        (oauth2(clientSecret=from_secret("gone")), "there is no Secret shop/gone"),
        (oauth2(clientSecret=from_secret(key="k")), 'Secret shop/login has no key "k" (it has: secret)'),
    ],
)
def test_what_is_wrong_with_oauth2_is_told(world, resolved, spec, told):
    world.secret("login", secret="hunter2")
    world.authentication("x", spec)
    found = resolved("x")
    assert isinstance(found, Unresolved)
    assert told in found.message
    assert "hunter2" not in found.message


def test_the_secret_of_a_cluster_wide_oauth2_is_in_the_cluster_namespace(world, resolved):
    world.secret("login", "keda", secret="cluster")
    world.secret("login", "shop", secret="shop")
    world.cluster_authentication("x", oauth2(clientSecret=from_secret()))
    assert resolved("x", kind=CLUSTER).params["clientSecret"] == "cluster"
