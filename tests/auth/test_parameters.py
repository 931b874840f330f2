import pytest

from tidegate.auth.files import ParameterFiles
from tidegate.auth.lending import Lending
from tidegate.auth.resolve import Options, Resolved, Unresolved
from tidegate.base.errors import Failure, Unreachable
from tidegate.kit.identity import Identity
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
)

CLUSTER = "ClusterTriggerAuthentication"


def ref(parameter, name, key):
    return {"parameter": parameter, "name": name, "key": key}


def test_a_trigger_without_authentication_reads_nothing(resolved):
    assert resolved() == Resolved(lending=Lending("shop"))


def test_secrets_and_config_maps_become_parameters(world, resolved):
    world.secret("redis", password="s3cret")
    world.config_map("redis", host="10.0.0.1")
    world.authentication(
        "redis",
        {
            "secretTargetRef": [ref("password", "redis", "password")],
            "configMapTargetRef": [ref("host", "redis", "host")],
        },
    )
    found = resolved("redis")
    assert found.params == {"password": "s3cret", "host": "10.0.0.1"}
    assert found.warnings == ()
    assert found.read == {
        (TRIGGER_AUTHENTICATIONS, "shop", "redis"),
        (SECRETS, "shop", "redis"),
        (CONFIG_MAPS, "shop", "redis"),
    }


def test_a_later_source_overwrites_an_equal_parameter(world, resolved, pod):
    world.secret("s", k="from secret")
    world.config_map("c", k="from config map")
    spec = {
        "secretTargetRef": [ref("a", "s", "k")],
        "configMapTargetRef": [ref("a", "c", "k"), ref("b", "c", "k")],
        "env": [{"parameter": "b", "name": "V"}, {"parameter": "c", "name": "V"}],
    }
    world.authentication("x", spec)
    found = resolved("x", template=pod({"name": "V", "value": "from env"}))
    assert found.params == {"a": "from secret", "b": "from config map", "c": "from env"}


@pytest.mark.parametrize(
    ("config_map", "secret", "expected"),
    [("gone", "s", "from secret"), ("c", "s", "from secret"), ("c", "gone", "there is no Secret shop/gone")],
)
def test_a_source_that_is_overwritten_need_not_be_there(world, resolved, config_map, secret, expected):
    world.secret("s", k="from secret")
    world.config_map("c", k="from config map")
    refs = {
        "configMapTargetRef": [ref("a", config_map, "k")],
        "secretTargetRef": [ref("a", secret, "k")],
    }
    world.authentication("x", refs)
    found = resolved("x")
    told = found.message if isinstance(found, Failure) else found.params["a"]
    assert expected in told
    assert (CONFIG_MAPS, "shop", config_map) in found.read


def test_an_empty_value_that_is_there_is_no_failure(world, resolved):
    world.secret("s", k="")
    world.authentication("x", {"secretTargetRef": [ref("p", "s", "k")]})
    assert resolved("x").params == {"p": ""}


def test_everything_missing_is_named_at_once_with_the_next_step(world, resolved, pod):
    world.secret("half", other="s3cret")
    spec = {
        "secretTargetRef": [ref("a", "gone", "k"), ref("b", "half", "k")],
        "configMapTargetRef": [ref("c", "settings", "k")],
        "env": [{"parameter": "d", "name": "V"}],
    }
    world.authentication("x", spec)
    failure = resolved("x", template=pod())
    assert isinstance(failure, Failure)
    assert failure.kind == "Misconfigured"
    for words in (
        'parameter "a" of TriggerAuthentication shop/x: there is no Secret shop/gone; create it',
        'parameter "b" of TriggerAuthentication shop/x: Secret shop/half has no key "k" (it has: other)',
        'parameter "c" of TriggerAuthentication shop/x: there is no ConfigMap shop/settings',
        'parameter "d" of TriggerAuthentication shop/x: variable "V" is not set in container main',
    ):
        assert words in failure.message
    assert "s3cret" not in failure.message


def test_a_failure_knows_what_could_heal_it(world, resolved):
    world.authentication("x", {"secretTargetRef": [ref("a", "gone", "k")]})
    assert resolved("x").read == {(TRIGGER_AUTHENTICATIONS, "shop", "x"), (SECRETS, "shop", "gone")}


def test_it_heals_when_the_secret_appears(world, resolved):
    world.authentication("x", {"secretTargetRef": [ref("a", "late", "k")]})
    assert isinstance(resolved("x"), Unresolved)
    world.secret("late", k="here")
    assert resolved("x").params == {"a": "here"}


def test_a_missing_authentication_is_named_and_watched(resolved):
    failure = resolved("gone")
    assert failure.kind == "Misconfigured"
    assert "there is no TriggerAuthentication shop/gone" in failure.message
    assert failure.read == {(TRIGGER_AUTHENTICATIONS, "shop", "gone"), (SECRETS, "shop", "gone")}


def test_a_missing_cluster_authentication_is_not_sought_among_the_secrets(world, resolved):
    world.secret("gone", k="v")
    failure = resolved("gone", kind=CLUSTER)
    assert "there is no ClusterTriggerAuthentication gone" in failure.message
    assert failure.read == {(CLUSTER_TRIGGER_AUTHENTICATIONS, "", "gone")}


def test_an_unknown_kind_is_refused(resolved):
    assert 'unknown trigger auth kind "Vault"' in resolved("x", kind="Vault").message


def test_a_cluster_authentication_reads_the_cluster_namespace(world, resolved):
    world.secret("s", "keda", k="cluster")
    world.secret("s", "shop", k="shop")
    world.config_map("c", "keda", k="settings")
    world.cluster_authentication(
        "x", {"secretTargetRef": [ref("p", "s", "k")], "configMapTargetRef": [ref("q", "c", "k")]}
    )
    found = resolved("x", kind=CLUSTER)
    assert found.params == {"p": "cluster", "q": "settings"}
    assert found.read == {
        (CLUSTER_TRIGGER_AUTHENTICATIONS, "", "x"),
        (SECRETS, "keda", "s"),
        (CONFIG_MAPS, "keda", "c"),
    }


def test_restricted_access_reads_secrets_of_the_cluster_namespace_only(world, resolved):
    world.secret("s", "shop", k="shop")
    world.config_map("c", "shop", k="settings")
    world.authentication(
        "x", {"secretTargetRef": [ref("p", "s", "k")], "configMapTargetRef": [ref("q", "c", "k")]}
    )
    restricted = Options(cluster_namespace="keda", is_secret_access_restricted=True)
    assert "there is no Secret keda/s" in resolved("x", options=restricted).message
    world.secret("s", "keda", k="cluster")
    assert resolved("x", options=restricted).params == {"p": "cluster", "q": "settings"}


def test_pod_identity_none_is_nothing(world, resolved):
    world.authentication("x", {"podIdentity": {"provider": "none"}})
    assert resolved("x").params == {}
    assert resolved("x").identity is None


def test_an_identity_comes_with_the_parameters(world, resolved):
    world.secret("s", k="v")
    aws = {"provider": "aws", "roleArn": "arn:x", "externalID": "e", "identityOwner": "keda"}
    world.authentication("x", {"podIdentity": aws, "secretTargetRef": [ref("p", "s", "k")]})
    found = resolved("x")
    assert found.params == {"p": "v"}
    assert found.identity == Identity("aws", role_arn="arn:x", external_id="e", owner="keda")
    azure = {"provider": "azure-workload", "identityId": "i", "identityTenantId": "t"}
    world.authentication("y", {"podIdentity": azure})
    assert resolved("y").identity == Identity("azure-workload", client_id="i", tenant_id="t")


def test_an_authentication_that_does_not_fit_its_kind_says_so(world, resolved):
    world.authentication("x", {"secretTargetRef": [{"parameter": "p"}]})
    failure = resolved("x")
    assert failure.kind == "Misconfigured"
    assert "spec.secretTargetRef" in failure.message


# --- a Secret in place of a TriggerAuthentication


def test_a_secret_in_place_of_an_authentication_is_used_and_warned_about(world, resolved):
    world.secret("redis", password="s3cret", REDIS_HOST="10.0.0.1")
    found = resolved("redis", {"hostFromEnv": "REDIS_HOST"})
    assert found.params == {"password": "s3cret", "REDIS_HOST": "10.0.0.1"}
    assert found.env == {"REDIS_HOST": "10.0.0.1"}
    (warning,) = found.warnings
    assert "TriggerAuthentication" in warning
    assert "secretTargetRef" in warning
    assert "s3cret" not in warning
    assert found.read == {(TRIGGER_AUTHENTICATIONS, "shop", "redis"), (SECRETS, "shop", "redis")}


def test_a_value_may_be_wrapped_over_lines_as_manifests_have_it(world, resolved):
    body = {"metadata": {"name": "redis"}, "data": {"password": "czNj\ncmV0\n"}}
    world.objects[(SECRETS, "shop", "redis")] = body
    assert resolved("redis").params == {"password": "s3cret"}


def test_an_authentication_of_that_name_is_preferred_to_the_secret(world, resolved):
    world.secret("redis", password="s3cret")
    world.authentication("redis", {})
    assert resolved("redis").params == {}


def test_the_container_s_own_variable_is_preferred_to_the_secret_s_key(world, resolved, pod):
    world.secret("redis", HOST="from secret")
    found = resolved("redis", {"hostFromEnv": "HOST"}, template=pod({"name": "HOST", "value": "from pod"}))
    assert found.env == {"HOST": "from pod"}


def test_a_secret_s_key_stands_in_for_a_container_that_is_not_there(world, resolved, pod):
    world.secret("redis", HOST="from secret")
    found = resolved("redis", {"hostFromEnv": "HOST"}, template=pod(), container="gone")
    assert found.env == {"HOST": "from secret"}


def test_binary_keys_of_a_secret_in_place_are_named(world, resolved):
    world.secret("redis", password="p", store=b"\xff\xfe")
    found = resolved("redis")
    assert found.params == {"password": "p"}
    assert "store" in found.warnings[1]


def test_with_restricted_access_no_secret_of_the_object_s_namespace_stands_in(world, resolved):
    world.secret("redis", password="p")
    restricted = Options(cluster_namespace="keda", is_secret_access_restricted=True)
    assert isinstance(resolved("redis", options=restricted), Unresolved)


# --- what cannot be told


def test_caches_that_are_not_synced_are_unreachable_and_not_missing(world, resolved):
    world.authentication("x", {"secretTargetRef": [ref("p", "s", "k")]})
    world.errors[(SECRETS, "shop", "s")] = Unreachable("read Secrets", answer="the cache is not synced yet")
    failure = resolved("x")
    assert failure.kind == "Unreachable"
    assert "there is no" not in failure.message


@pytest.mark.parametrize(("code", "kind"), [(403, "Denied"), (401, "Denied"), (500, "Unreachable")])
def test_an_api_error_is_told_by_what_to_do_next(code, kind, world, resolved):
    world.errors[(TRIGGER_AUTHENTICATIONS, "shop", "x")] = ApiError(code, "Forbidden", "no")
    failure = resolved("x")
    assert failure.kind == kind
    assert "TriggerAuthentication shop/x" in failure.message


def test_a_value_that_is_no_text_is_malformed_and_not_shown(world, resolved):
    world.secret("s", k=b"\xff\xfe")
    world.authentication("x", {"secretTargetRef": [ref("p", "s", "k")]})
    failure = resolved("x")
    assert failure.kind == "Malformed"
    assert 'key "k" of Secret shop/s' in failure.message


def test_the_same_cause_is_said_once(world, resolved):
    world.authentication("x", {"secretTargetRef": [ref("p", "s", "k"), ref("q", "s", "k")]})
    world.errors[(SECRETS, "shop", "s")] = Unreachable("read Secrets", answer="not synced")
    assert resolved("x").message.count("not synced") == 1


def test_nothing_secret_shows_when_a_result_is_printed(world, resolved):
    world.secret("redis", password="s3cret")
    assert "s3cret" not in repr(resolved("redis", {"aFromEnv": "password"}))


# --- parameter files


def test_a_file_is_all_there_is(world, resolved, tmp_path):
    (tmp_path / "creds.json").write_text('{"token": "t"}')
    world.cluster_authentication("x", {"filePath": "creds.json", "env": [{"parameter": "b", "name": "V"}]})
    options = Options(files=ParameterFiles(tmp_path))
    found = resolved("x", kind=CLUSTER, options=options)
    assert found.params == {"token": "t"}
    assert found.stamps == {"creds.json": ParameterFiles(tmp_path).stamp("creds.json")}


def test_a_file_needs_a_root(world, resolved):
    world.cluster_authentication("x", {"filePath": "creds.json"})
    assert "filepath-auth-root-path" in resolved("x", kind=CLUSTER).message


def test_a_file_is_refused_to_a_namespaced_authentication(world, resolved, tmp_path):
    (tmp_path / "creds.json").write_text('{"token": "t"}')
    world.authentication("x", {"filePath": "creds.json"})
    options = Options(files=ParameterFiles(tmp_path))
    assert "only supported for ClusterTriggerAuthentication" in resolved("x", options=options).message


def test_a_file_that_cannot_be_read_is_a_failure_that_its_coming_may_heal(world, resolved, tmp_path):
    world.cluster_authentication("x", {"filePath": "creds.json"})
    files = ParameterFiles(tmp_path)
    failure = resolved("x", kind=CLUSTER, options=Options(files=files))
    assert failure.kind == "Denied"
    assert failure.stamps == {"creds.json": files.stamp("creds.json")}
    (tmp_path / "creds.json").write_text("{}")
    assert failure.stamps != {"creds.json": files.stamp("creds.json")}


def test_an_identity_of_a_cluster_wide_authentication_holds_with_and_without_a_pod_template(
    world, resolved, pod
):
    world.cluster_authentication("x", {"podIdentity": {"provider": "azure-workload", "identityId": "i"}})
    for template in (None, pod()):
        found = resolved("x", kind="ClusterTriggerAuthentication", template=template)
        assert found.identity == Identity("azure-workload", client_id="i")
