"""Roles and the page about them, against moto, which checks signatures and policies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts.moto_server import REGION, Moto
from parts.server_process import Servers
from tidegate.base.errors import Denied
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.connections.identities import Ground, Identities
from tidegate.kit.identity import Identity
from tidegate.kit.systems.aws import AwsServer, SqsCounts, SqsQueue

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("moto")]
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def moto(servers: Servers) -> Moto:
    return servers.get(Moto)


def policy(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(moto: Moto, name: str, *actions: str) -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    made = moto.make("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
    moto.make("iam", "put_role_policy", RoleName=name, PolicyName="all", PolicyDocument=policy(*actions))
    return str(made["Role"]["Arn"])


def autoscaler(moto: Moto, *actions: str) -> dict[str, str]:
    """The environment of an autoscaler with keys of its own."""
    moto.make("iam", "create_user", UserName="autoscaler")
    named = {"UserName": "autoscaler", "PolicyName": "all"}
    moto.make("iam", "put_user_policy", PolicyDocument=policy(*actions), **named)
    key = moto.make("iam", "create_access_key", UserName="autoscaler")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@asynccontextmanager
async def asking(moto: Moto, identity: Identity, environment: Mapping[str, str]) -> AsyncIterator[Any]:
    given = {"AWS_ENDPOINT_URL": moto.url, **environment}
    identities = Identities(Ground(Surroundings(), given))
    server = AwsServer("sqs", REGION, None, moto.url, identity)
    adapter: Any = connect(server, Surroundings(timeout_s=10.0, identities=identities))
    try:
        yield lambda: adapter.answer([SqsQueue(server, "orders")])
    finally:
        await adapter.close()
        await identities.close()


async def test_a_role_reads_what_its_policy_lets_it(moto: Moto) -> None:
    moto.reset()
    moto.make("sqs", "create_queue", QueueName="orders")
    own = autoscaler(moto, "sts:AssumeRole")
    good = Identity("aws", role_arn=role(moto, "reader", "sqs:GetQueueAttributes"))
    bad = Identity("aws", role_arn=role(moto, "nothing", "kinesis:ListStreams"))
    with moto.enforcing():
        async with asking(moto, good, own) as count:
            assert await count() == [SqsCounts(0, 0, 0)]
        async with asking(moto, bad, own) as count:
            with pytest.raises(Denied, match="AccessDenied"):
                await count()


async def test_the_autoscalers_own_keys_read_what_their_policy_lets_them(moto: Moto) -> None:
    moto.reset()
    moto.make("sqs", "create_queue", QueueName="orders")
    own = autoscaler(moto, "sqs:GetQueueAttributes")
    with moto.enforcing():
        async with asking(moto, Identity("aws"), own) as count:
            assert await count() == [SqsCounts(0, 0, 0)]
        async with asking(moto, Identity("aws"), own | {"AWS_SECRET_ACCESS_KEY": "wrong"}) as count:
            with pytest.raises(Denied, match="AccessDenied; check the rights of the aws identity"):
                await count()


async def test_an_autoscaler_that_may_not_assume_a_role_says_so(moto: Moto) -> None:
    moto.reset()
    own = autoscaler(moto, "sqs:GetQueueAttributes")
    identity = Identity("aws", role_arn=role(moto, "reader", "sqs:GetQueueAttributes"))
    with moto.enforcing():
        async with asking(moto, identity, own) as count:
            with pytest.raises(Denied, match="AccessDenied; let the trust policy of the role name"):
                await count()
