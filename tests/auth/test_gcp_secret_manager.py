"""gcpSecretManager: which version of which secret is asked for, as whom, and who may."""

from __future__ import annotations

import json

import pytest

from tidegate.auth.resolve import Options, Unresolved
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import Identity, ServiceAccount
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_secrets import SecretVersion

KEY = {"type": "service_account", "project_id": "p", "client_email": "me@p", "private_key": "hunter2"}
BY_KEY = GcpServer("secretmanager", ServiceAccount("me@p", "hunter2", project="p"))
AS_IDENTITY = GcpServer("secretmanager", identity=Identity("gcp"))
CREDENTIALS = {"clientSecret": {"valueFrom": {"secretKeyRef": {"name": "google", "key": "key"}}}}
BY_IDENTITY = {"podIdentity": {"provider": "gcp"}}


class Held:
    """What was fetched, by the name of the secret."""

    def __init__(self, **texts):
        self.texts = texts

    def held(self, question):
        text = self.texts.get(question.name)
        return None if text is None else Fetched({"value": text})


def store(login, **secrets):
    refs = [{"parameter": parameter, **ref} for parameter, ref in secrets.items()]
    return {"gcpSecretManager": {"secrets": refs, **login}}


def options(lends=(), **texts):
    return Options(cluster_namespace="keda", fetches=Held(**texts), lends_identity=lends)


def test_a_version_of_a_secret_is_asked_for_by_key(world, resolved):
    world.secret("google", key=json.dumps(KEY))
    refs = store({"credentials": CREDENTIALS}, password={"id": "db"}, token={"id": "api", "version": "7"})
    world.authentication("x", refs)
    found = resolved("x", options=options(db="s3cret", api="t0ken"))
    assert found.params == {"password": "s3cret", "token": "t0ken"}
    assert found.wanted == {
        SecretVersion(BY_KEY, "p", "db", "latest"),
        SecretVersion(BY_KEY, "p", "api", "7"),
    }
    assert "hunter2" not in repr(found.wanted)


def test_parameters_of_one_version_are_one_question(world, resolved):
    world.secret("google", key=json.dumps(KEY))
    refs = {"a": {"id": "db"}, "b": {"id": "db", "version": "latest"}, "c": {"id": "db", "version": ""}}
    world.authentication("x", store({"credentials": CREDENTIALS}, **refs))
    assert len(resolved("x", options=options(db="s3cret")).wanted) == 1


def test_the_autoscaler_s_identity_asks_where_it_was_lent(world, resolved):
    world.authentication("x", store(BY_IDENTITY, password={"id": "db"}))
    found = resolved("x", options=options(("shop",), db="s3cret"))
    assert found.params == {"password": "s3cret"}
    assert found.wanted == {SecretVersion(AS_IDENTITY, "", "db", "latest")}
    refused = resolved("x", options=options(db="s3cret"))
    assert isinstance(refused, Unresolved)
    assert refused.wanted == set()
    assert "not lent to namespace shop" in refused.message


@pytest.mark.parametrize(
    ("key", "login", "told"),
    [
        (None, {"credentials": CREDENTIALS}, "there is no Secret shop/google"),
        ("hunter2", {"credentials": CREDENTIALS}, "the value of credentials.clientSecret is no JSON"),
        (json.dumps({**KEY, "project_id": ""}), {"credentials": CREDENTIALS}, "has no project_id"),
        (json.dumps(KEY), {}, "it names nobody who asks"),
        (json.dumps(KEY), {"podIdentity": {"provider": "aws"}}, "provider aws not supported"),
    ],
)
def test_what_cannot_be_asked_is_told_without_a_secret(key, login, told, world, resolved):
    if key is not None:
        world.secret("google", key=key)
    world.authentication("x", store(login, password={"id": "db"}))
    found = resolved("x", options=options(db="s3cret"))
    assert told in found.message
    assert "hunter2" not in found.message
