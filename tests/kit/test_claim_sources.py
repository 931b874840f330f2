"""What messages are claimed from is the same with other credentials: claims go on when they are changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.core.claims.wishes import Statements
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import AwsServer
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.postgresql import PostgresqlServer, parse_connection
from tidegate.kit.systems.rabbitmq import AmqpServer
from tidegate.kit.systems.rabbitmq_claims import RabbitmqQueueSource
from tidegate.kit.systems.redis import Login, RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource, RedisStreamSource
from tidegate.kit.systems.sql_claims import TableSource
from tidegate.kit.systems.sqs_claims import SqsSource
from tidegate.kit.tls import Tls

OLD, NEW = "hunter2-old", "hunter2-new"
REDIS = RedisServer(("redis:6379",), login=Login("ada", OLD))
RABBITMQ = AmqpServer("mq", 5672, "shop", "ada", OLD)
SQS = AwsServer("sqs", "eu-west-1", AwsKeys("key", OLD))


def rows(options: str) -> TableSource:
    return TableSource(PostgresqlServer(parse_connection(options)), "claims", Statements())


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (
            RedisListSource(REDIS, "jobs"),
            RedisListSource(replace(REDIS, login=Login("bob", NEW), tls=Tls()), "jobs"),
            RedisListSource(replace(REDIS, database=1), "jobs"),
        ),
        (
            RedisStreamSource(REDIS, "orders", "workers"),
            RedisStreamSource(replace(REDIS, login=Login("ada", NEW)), "orders", "workers"),
            RedisStreamSource(replace(REDIS, addresses=("other:6379",)), "orders", "workers"),
        ),
        (
            RabbitmqQueueSource(RABBITMQ, "jobs"),
            RabbitmqQueueSource(replace(RABBITMQ, username="bob", password=NEW), "jobs"),
            RabbitmqQueueSource(replace(RABBITMQ, vhost="other"), "jobs"),
        ),
        (
            SqsSource(SQS, "jobs"),
            SqsSource(replace(SQS, keys=AwsKeys("other", NEW)), "jobs", "bad", 3),
            SqsSource(replace(SQS, region="us-east-1"), "jobs"),
        ),
        (
            rows(f"host=db dbname=shop user=ada password={OLD}"),
            rows(f"host=db dbname=shop user=ada password={NEW}"),
            rows(f"host=db dbname=shop user=bob password={OLD}"),
        ),
    ],
)
def test_a_source_is_the_same_with_another_login_and_none_with_another_place(
    one: Source, same: Source, other: Source
) -> None:
    assert (one, hash(one)) == (same, hash(same))
    assert one.server != same.server
    assert one != other
    assert OLD not in repr(one)
