"""Sources that are fetched: what is wanted of whom, what is held, and what each state comes to."""

from __future__ import annotations

import pytest

from tidegate.auth.resolve import Options, Resolved, Unresolved
from tidegate.base.errors import Denied, Failure
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.service_accounts import AccountsServer, BoundToken

CLUSTER = "ClusterTriggerAuthentication"
ROBOT = BoundToken(AccountsServer(), "shop", "robot", 3600)


class Held:
    """What was fetched, by question."""

    def __init__(self, **answers):
        self.answers = {token_of(name): answer for name, answer in answers.items()}

    def held(self, question):
        return self.answers.get(question)


def token_of(name, namespace="shop"):
    return BoundToken(AccountsServer(), namespace, name, 3600)


def token(parameter, account):
    return {"parameter": parameter, "serviceAccountName": account}


def options(**answers):
    return Options(cluster_namespace="keda", fetches=Held(**answers))


def test_a_value_that_was_fetched_is_a_parameter(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    found = resolved("x", options=options(robot=Fetched({"token": "t-1"})))
    assert found.params == {"password": "t-1"}
    assert found.wanted == {ROBOT}


def test_parameters_of_one_account_are_one_question(world, resolved):
    refs = [token("password", "robot"), token("bearerToken", "robot")]
    world.authentication("x", {"boundServiceAccountToken": refs})
    assert resolved("x", options=options(robot=Fetched({"token": "t-1"}))).wanted == {ROBOT}


def test_a_value_that_is_still_to_come_is_waited_for(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    found = resolved("x", options=options())
    assert isinstance(found, Unresolved)
    assert found.is_waiting
    expected = "waiting for boundServiceAccountToken of ServiceAccount shop/robot on the API server"
    assert found.message == expected
    assert found.wanted == {ROBOT}


def test_where_nobody_fetches_it_is_waited_for(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    assert resolved("x").is_waiting


def test_what_is_wrong_beside_is_told_without_waiting(world, resolved):
    spec = {
        "secretTargetRef": [{"parameter": "username", "name": "gone", "key": "k"}],
        "boundServiceAccountToken": [token("password", "robot")],
    }
    world.authentication("x", spec)
    found = resolved("x", options=options())
    assert not found.is_waiting
    assert "there is no Secret shop/gone" in found.message
    assert found.wanted == {ROBOT}


def test_why_a_source_gave_nothing_is_told(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    failure = Failure.of(Denied("get a token of ServiceAccount shop/robot", answer="forbidden"))
    found = resolved("x", options=options(robot=failure))
    assert (found.kind, found.message) == ("Denied", failure.message)
    assert not found.is_waiting


def test_a_fetched_value_overwrites_one_of_a_secret(world, resolved):
    world.secret("s", k="from secret")
    spec = {
        "secretTargetRef": [{"parameter": "password", "name": "s", "key": "k"}],
        "boundServiceAccountToken": [token("password", "robot")],
    }
    world.authentication("x", spec)
    assert resolved("x", options=options(robot=Fetched({"token": "t-1"}))).params == {"password": "t-1"}


def test_a_complaint_is_a_warning_and_the_value_serves(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    held = Fetched({"token": "t-1"}, complaint="cannot connect: connection refused")
    found = resolved("x", options=options(robot=held))
    assert found.params == {"password": "t-1"}
    (warning,) = found.warnings
    assert "could not be fetched again" in warning
    assert warning.endswith("cannot connect: connection refused")


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (Fetched({"a": "1", "b": "2"}), 'has no key "token" (it has: a, b)'),
        (Fetched({}), 'has no key "token" (it has: none)'),
        (Fetched({}, other_keys=frozenset({"token"})), 'the value of key "token" in'),
    ],
)
def test_a_key_that_is_not_there_is_named_beside_those_that_are(world, resolved, held, told):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    found = resolved("x", options=options(robot=held))
    assert found.kind == "Misconfigured"
    assert told in found.message


def test_a_cluster_authentication_asks_for_accounts_of_the_cluster_namespace(world, resolved):
    world.cluster_authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    assert resolved("x", kind=CLUSTER, options=options()).wanted == {token_of("robot", "keda")}


def test_what_was_fetched_shows_no_value(world, resolved):
    world.authentication("x", {"boundServiceAccountToken": [token("password", "robot")]})
    found = resolved("x", options=options(robot=Fetched({"token": "x-marks-the-spot"})))
    assert isinstance(found, Resolved)
    assert "x-marks-the-spot" not in repr(found)
