import pytest

from tidegate.auth.resolve import Options, Unresolved
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import CONFIG_MAPS, SECRETS


def value(name, text):
    return {"name": name, "value": text}


def from_secret(name, secret, key, **more):
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, **more}}}


def from_config_map(name, config_map, key, **more):
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": config_map, "key": key, **more}}}


def test_only_the_variables_that_the_trigger_names_are_handed_out(resolved, pod):
    found = resolved(
        metadata={"addressFromEnv": "A", "listName": "jobs"}, template=pod(value("A", "1"), value("B", "2"))
    )
    assert found.env == {"A": "1"}


def test_a_trigger_that_names_no_variable_reads_no_environment(world, resolved, pod):
    template = pod(from_secret("A", "gone", "k"), env_from=[{"secretRef": {"name": "gone"}}])
    found = resolved(metadata={"address": "A"}, template=template)
    assert found.env == {}
    assert found.read == frozenset()


def test_values_come_from_secrets_and_config_maps(world, resolved, pod):
    world.secret("s", k="secret")
    world.config_map("c", k="plain")
    template = pod(from_secret("A", "s", "k"), from_config_map("B", "c", "k"))
    found = resolved(metadata={"aFromEnv": "A", "bFromEnv": "B"}, template=template)
    assert found.env == {"A": "secret", "B": "plain"}
    assert found.read == {(SECRETS, "shop", "s"), (CONFIG_MAPS, "shop", "c")}


def test_env_from_takes_all_keys_with_a_prefix_and_env_overrides(world, resolved, pod):
    world.secret("s", K="secret", L="left")
    world.config_map("c", K="plain")
    sources = [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}, "prefix": "P_"}]
    names = {"aFromEnv": "K", "bFromEnv": "L", "cFromEnv": "P_K"}
    found = resolved(metadata=names, template=pod(value("L", "written"), env_from=sources))
    assert found.env == {"K": "secret", "L": "written", "P_K": "plain"}


def test_a_later_env_from_source_overwrites(world, resolved, pod):
    world.config_map("one", K="1")
    world.config_map("two", K="2")
    sources = [{"configMapRef": {"name": "one"}}, {"configMapRef": {"name": "two"}}]
    assert resolved(metadata={"kFromEnv": "K"}, template=pod(env_from=sources)).env == {"K": "2"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([value("A", "x"), value("B", "$(A)-dependent")], "x-dependent"),
        ([value("A", "x"), value("B", "see $(A) here")], "see x here"),
        ([value("B", "$(A)-x"), value("A", "x")], "$(A)-x"),
        ([value("A", "x"), value("B", "$$(A)-x")], "$(A)-x"),
        ([value("A", "x"), value("B", "$()-x")], "$()-x"),
        ([value("A", "x"), value("B", "$(A-x")], "$(A-x"),
        ([value("A", "$(B)"), value("B", "$(A)")], "$(B)"),
        ([value("B", "")], ""),
        ([{"name": "B"}], ""),
    ],
)
def test_references_to_earlier_variables_are_expanded(variables, expected, resolved, pod):
    assert resolved(metadata={"bFromEnv": "B"}, template=pod(*variables)).env == {"B": expected}


def test_references_see_what_env_from_brings(world, resolved, pod):
    world.config_map("c", HOST="h")
    template = pod(value("URL", "redis://$(HOST)"), env_from=[{"configMapRef": {"name": "c"}}])
    assert resolved(metadata={"uFromEnv": "URL"}, template=template).env == {"URL": "redis://h"}


def test_the_first_container_is_the_default_and_another_can_be_named(resolved, pod):
    template = pod(value("A", "main"), side=[value("A", "side")])
    assert resolved(metadata={"aFromEnv": "A"}, template=template).env == {"A": "main"}
    assert resolved(metadata={"aFromEnv": "A"}, template=template, container="side").env == {"A": "side"}


def test_an_authentication_s_variables_come_from_its_own_container(world, resolved, pod):
    template = pod(value("A", "main"), side=[value("A", "side")])
    refs = [
        {"parameter": "p", "name": "A", "containerName": "side"},
        {"parameter": "q", "name": "A"},
    ]
    world.authentication("x", {"env": refs})
    assert resolved("x", template=template, container="side").params == {"p": "side", "q": "main"}


def test_a_container_that_is_not_there_is_named_with_the_others(resolved, pod):
    failure = resolved(metadata={"aFromEnv": "A"}, template=pod(side=[]), container="gone")
    assert 'couldn\'t find container with name "gone" on Target object' in failure.message
    assert "main, side" in failure.message


def test_init_containers_never_count(resolved):
    template = {
        "spec": {"initContainers": [{"name": "i", "env": [value("A", "1")]}], "containers": [{"name": "m"}]}
    }
    assert isinstance(resolved(metadata={"aFromEnv": "A"}, template=template, container="i"), Unresolved)


@pytest.mark.parametrize("template", [None, {}, {"spec": {}}, {"spec": {"containers": []}}])
def test_without_containers_there_are_no_variables_and_a_warning(template, resolved):
    found = resolved(metadata={"aFromEnv": "A"}, template=template)
    assert found.env == {}
    assert "has no containers" in found.warnings[0]


def test_a_variable_that_is_not_set_is_a_warning(resolved, pod):
    found = resolved(metadata={"aFromEnv": "A"}, template=pod())
    assert found.env == {}
    assert found.warnings == ('aFromEnv: variable "A" is not set in container main',)
    assert found.unset == {"A": 'variable "A" is not set in container main'}


@pytest.mark.parametrize(
    ("variables", "sources"),
    [
        ([from_secret("A", "gone", "k", optional=True)], []),
        ([], [{"secretRef": {"name": "gone", "optional": True}}]),
    ],
)
def test_a_variable_that_may_be_missing_is_not_missed(variables, sources, resolved, pod):
    template = pod(*variables)
    template["spec"]["containers"][0]["envFrom"] = sources
    found = resolved(metadata={"aFromEnv": "A"}, template=template)
    assert (found.env, found.unset) == ({}, {})
    assert found.warnings == ('aFromEnv: variable "A" is not set in container main',)


def test_a_variable_that_only_the_node_knows_is_a_warning(resolved, pod):
    variable = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    found = resolved(metadata={"aFromEnv": "A"}, template=pod(variable))
    assert found.env == {}
    assert "comes from fieldRef" in found.warnings[0]


MISSING = [
    (lambda **more: {"template": [from_secret("A", "gone", "k", **more)]}, "there is no Secret shop/gone"),
    (lambda **more: {"template": [from_secret("A", "half", "k", **more)]}, 'Secret shop/half has no key "k"'),
    (
        lambda **more: {"template": [from_config_map("A", "gone", "k", **more)]},
        "there is no ConfigMap shop/gone",
    ),
    (lambda **more: {"sources": [{"secretRef": {"name": "gone", **more}}]}, "there is no Secret shop/gone"),
    (
        lambda **more: {"sources": [{"configMapRef": {"name": "gone", **more}}]},
        "there is no ConfigMap shop/gone",
    ),
]


@pytest.mark.parametrize(("make", "words"), MISSING)
@pytest.mark.parametrize("more", [{}, {"optional": False}])
def test_what_a_named_variable_needs_and_is_missing_is_a_failure(make, words, more, world, resolved, pod):
    world.secret("half", other="x")
    parts = make(**more)
    template = pod(*parts.get("template", []), env_from=parts.get("sources", ()))
    failure = resolved(metadata={"aFromEnv": "A"}, template=template)
    assert failure.kind == "Misconfigured"
    assert words in failure.message


@pytest.mark.parametrize(("make", "words"), MISSING)
def test_what_is_optional_may_be_missing(make, words, world, resolved, pod):
    world.secret("half", other="x")
    parts = make(optional=True)
    template = pod(*parts.get("template", []), env_from=parts.get("sources", ()))
    found = resolved(metadata={"aFromEnv": "A"}, template=template)
    assert found.env == {}
    assert len(found.warnings) == 1


def test_a_variable_that_fails_does_not_fail_the_others(world, resolved, pod):
    template = pod(
        from_secret("BAD", "gone", "k"), value("GOOD", "1"), env_from=[{"secretRef": {"name": "gone"}}]
    )
    assert resolved(metadata={"aFromEnv": "GOOD"}, template=template).env == {"GOOD": "1"}
    assert isinstance(resolved(metadata={"aFromEnv": "BAD"}, template=template), Unresolved)


def test_a_variable_made_of_one_that_fails_fails_too(resolved, pod):
    template = pod(from_secret("BAD", "gone", "k"), value("URL", "redis://:$(BAD)@host"))
    failure = resolved(metadata={"aFromEnv": "URL"}, template=template)
    assert "there is no Secret shop/gone" in failure.message


def test_an_overwritten_failure_is_none(resolved, pod):
    template = pod(from_secret("A", "gone", "k"), value("A", "1"))
    assert resolved(metadata={"aFromEnv": "A"}, template=template).env == {"A": "1"}


def test_a_source_that_cannot_be_told_is_unreachable(world, resolved, pod):
    world.errors[(SECRETS, "shop", "s")] = Unreachable("read Secrets", answer="not synced yet")
    for template in (
        pod(from_secret("A", "s", "k", optional=True)),
        pod(env_from=[{"secretRef": {"name": "s"}}]),
    ):
        assert resolved(metadata={"aFromEnv": "A"}, template=template).kind == "Unreachable"


def test_restricted_access_leaves_secrets_of_other_namespaces_out(world, resolved, pod):
    world.secret("s", k="v", K="v")
    template = pod(from_secret("A", "s", "k"), env_from=[{"secretRef": {"name": "s"}}])
    names = {"aFromEnv": "A", "bFromEnv": "K"}
    restricted = Options(cluster_namespace="keda", is_secret_access_restricted=True)
    assert resolved(metadata=names, template=template, options=restricted).env == {}
    restricted = Options(cluster_namespace="shop", is_secret_access_restricted=True)
    assert resolved(metadata=names, template=template, options=restricted).env == {"A": "v", "K": "v"}


def test_a_key_that_names_a_file_in_a_variable_counts_too(resolved, pod):
    found = resolved(
        metadata={"credentialsFromEnvFile": "PATH_OF_KEY"}, template=pod(value("PATH_OF_KEY", "/k"))
    )
    assert found.env == {"PATH_OF_KEY": "/k"}


def test_a_secret_s_value_keeps_its_blanks_and_newlines(world, resolved, pod):
    world.secret("s", k=" pass\n")
    assert resolved(metadata={"aFromEnv": "A"}, template=pod(from_secret("A", "s", "k"))).env == {
        "A": " pass\n"
    }
