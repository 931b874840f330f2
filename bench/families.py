"""1,000 triggers on one server of each family, every 5 s: what a round costs it, and what it costs us.

A family is one entry of `FAMILIES`: it starts a server of the tests (`tests/parts/`), fills it, and says what
each trigger asks. Its adapter counts `round_trips` and `connections` (`Counted`), over HTTP requests and
connections of its client; a family that counts something else (statistics of the server) reads that in
`counted`. Where calls are metered (`wake_gap_s`), all triggers are woken four times a second afterwards.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures import Figure, Limit, between, must
from bench.load import ACTIVATION, VALUE, Load
from bench.rounds import least_rounds, run_operator
from bench.servers import api_server
from bench.sqs import ACCOUNT, REGION, asked, sqs_server
from tidegate.connections.http.client import CONCURRENCY

TRIGGERS = 1_000
WINDOW_S = 30.0
ONE = must("=", 1)

# The servers of the tests are those of the benchmark.
sys.path.append(str(Path(__file__).parent.parent / "tests"))


@dataclass(frozen=True, slots=True)
class Started:
    """A filled server. `counted` gives further counts since its start, by name, when all is over."""

    load: Load
    counted: Callable[[], Mapping[str, float]] = dict


@dataclass(frozen=True, slots=True)
class Family:
    """`start(triggers)` is a context; the others are what must hold.

    `round_trip` says what is sent at once, `per_round` how many of them a round of all triggers needs at
    most (`is_exact`: and at least), `different` how many of their questions are, `limits` what `counted` may
    come to.
    """

    start: Callable[[int], AbstractContextManager[Started]]
    round_trip: str
    per_round: int
    different: int = TRIGGERS
    is_exact: bool = False
    connections: Limit = ONE
    limits: Mapping[str, Limit] = field(default_factory=dict)
    server: str = "one server"


@contextmanager
def _postgresql(triggers: int) -> Iterator[Started]:
    from parts.postgresql_server import PostgresqlServer

    with PostgresqlServer() as server:
        server.query("CREATE TABLE jobs (queue int, id int, PRIMARY KEY (queue, id))")
        server.query(
            f"INSERT INTO jobs SELECT n % {triggers}, n FROM generate_series(1, {triggers * VALUE}) n"
        )
        server.query("VACUUM ANALYZE jobs")

        def counted() -> Mapping[str, float]:
            # Statistics of a session are complete once it has ended; the query itself is one, too.
            ((ended,),) = server.query("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'")
            return {"sessions": float(ended - before - 1)}

        metadata = {
            "connectionFromEnv": "DATABASE",
            "query": "SELECT count(*) FROM jobs WHERE queue = '{number}'::int",
            "targetQueryValue": "10",
            "activationTargetQueryValue": str(ACTIVATION),
        }
        ((before,),) = server.query("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'")
        yield Started(Load("postgresql", metadata, {"DATABASE": server.address_of("postgres")}), counted)


@contextmanager
def _kafka(triggers: int) -> Iterator[Started]:
    """800 partitions: a hundred topics, each read by a group of every trigger that ends in its number."""
    from aiokafka.admin import NewTopic

    from parts.kafka_server import KafkaBroker

    async def fill() -> None:
        await broker.create_topics([NewTopic(f"t{number:02d}", 8, 1) for number in range(100)])  # type: ignore[no-untyped-call]
        await broker.produce_all({f"t{number:02d}": (VALUE,) for number in range(100)})
        places = [(partition, 0, "") for partition in range(8)]
        groups = [(f"g{number:05d}", f"t{number % 100:02d}") for number in range(triggers)]
        await broker.commit_all({group: [(topic, places)] for group, topic in groups})

    with KafkaBroker() as broker:
        asyncio.run(fill())
        metadata = {
            "bootstrapServers": broker.address,
            "consumerGroup": "g{number}",
            "topic": "t{hundredth}",
            "activationLagThreshold": str(ACTIVATION),
        }
        yield Started(Load("kafka", metadata))


@contextmanager
def _mysql(triggers: int) -> Iterator[Started]:
    from parts.mariadb_server import MariadbServer

    with MariadbServer() as server:
        server.query("CREATE TABLE jobs (queue INT, id INT, PRIMARY KEY (queue, id))")
        server.query(f"INSERT INTO jobs SELECT seq % {triggers}, seq FROM seq_1_to_{triggers * VALUE}")
        metadata = {
            "connectionStringFromEnv": "DATABASE",
            "query": "SELECT COUNT(*) FROM jobs WHERE queue = '{number}'",
            "queryValue": "10",
            "activationQueryValue": str(ACTIVATION),
        }
        where = f"{server.login}:{server.password}@tcp(127.0.0.1:{server.port})/shop"
        yield Started(Load("mysql", metadata, {"DATABASE": where}))


@contextmanager
def _prometheus(_triggers: int) -> Iterator[Started]:
    """A hundred different queries, each of every trigger that ends in its number."""
    from parts.prometheus_server import PrometheusServer

    with PrometheusServer() as server:
        metadata = {
            "serverAddress": f"http://{server.address}",
            "query": f'vector({VALUE}) or jobs{{queue="{{hundredth}}"}}',
            "threshold": "10",
            "activationThreshold": str(ACTIVATION),
        }
        yield Started(Load("prometheus", metadata))


@contextmanager
def _rabbitmq(triggers: int, *, is_http: bool) -> Iterator[Started]:
    """A queue for each trigger, all in one virtual host."""
    from parts.example_programs import example_program
    from parts.rabbitmq_server import RabbitmqServer

    with RabbitmqServer() as server:
        login = f"admin:{server.password}"
        broker = example_program("amqp_lite").Broker(f"amqp://{login}@{server.address}")
        for number in range(triggers):
            server.api("PUT", f"/queues/%2F/q{number:05d}", {"durable": False})
            for _ in range(VALUE):
                broker.publish(f"q{number:05d}", "x")
        broker.close()
        place = f"http://{login}@{server.management}" if is_http else f"amqp://{login}@{server.address}"
        metadata = {
            "hostFromEnv": "BROKER",
            "queueName": "q{number}",
            "mode": "QueueLength",
            "value": "10",
            "activationValue": str(ACTIVATION),
        }
        yield Started(Load("rabbitmq", metadata, {"BROKER": place}))


@contextmanager
def _sqs(triggers: int) -> Iterator[Started]:
    """A queue for each trigger, all of one account."""
    with sqs_server(triggers) as address:

        def counted() -> Mapping[str, float]:
            found = asked(address)
            return {"queues asked for": found["queues"], "calls refused": found["refused"]}

        metadata = {
            "queueURL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q{{number}}",
            "awsRegion": REGION,
            "awsEndpoint": address,
            "queueLength": "10",
            "activationQueueLength": str(ACTIVATION),
            "awsAccessKeyIDFromEnv": "KEY_ID",
            "awsSecretAccessKeyFromEnv": "KEY",
        }
        yield Started(Load("aws-sqs-queue", metadata, {"KEY_ID": "bench", "KEY": "bench"}), counted)


FAMILIES: dict[str, Family] = {
    "mysql": Family(_mysql, "queries, one after the other", per_round=1_000),
    "kafka": Family(_kafka, "requests to one broker with 800 partitions", per_round=3),
    "postgresql": Family(
        _postgresql, "flights of 100 queries", per_round=10, limits={"sessions": between(1, 2)}
    ),
    "rabbitmq": Family(
        partial(_rabbitmq, is_http=False),
        "exchanges of 1,000 queues",
        per_round=1,
        server="one broker (AMQP)",
    ),
    # Once it is known that there are few enough queues, a listing comes whole; the first one comes in pages.
    # Where a start on a busy machine begins with a few triggers, they are asked one by one, side by side.
    "rabbitmq-http": Family(
        partial(_rabbitmq, is_http=True),
        "listings of 1,000 queues, whole",
        per_round=1,
        connections=must("<=", CONCURRENCY),
        server="one broker (management API)",
    ),
    # As many connections as requests are under way at a time.
    "prometheus": Family(
        _prometheus,
        "requests, one for each of 100 different queries",
        per_round=100,
        different=100,
        connections=must("<=", CONCURRENCY),
    ),
    "sqs": Family(
        _sqs,
        "calls, one for each of 1,000 queues",
        per_round=1_000,
        is_exact=True,
        connections=must("<=", CONCURRENCY),
        limits={"queues asked for": must("=", TRIGGERS), "calls refused": must("=", 0)},
        server="one account (a small SQS of the benchmark, in a process of its own)",
    ),
}


def measure(folder: Path, name: str, window_s: float = WINDOW_S, is_stopped: bool = False) -> list[Figure]:
    """The rows of one family: a first start, then the quiet time in which nothing changes."""
    family = FAMILIES[name]
    with family.start(TRIGGERS) as started:
        with api_server(folder, TRIGGERS, started.load) as kubeconfig:
            interval_s = started.load.interval_s
            run_operator(kubeconfig, TRIGGERS, 1.0, interval_s)
            found = run_operator(kubeconfig, TRIGGERS, window_s, interval_s, is_stopped=is_stopped)
        counted = started.counted()
    return figures(family, started.load, found, counted)


def figures(
    family: Family,
    load: Load,
    found: Mapping[str, float],
    counted: Mapping[str, float],
) -> list[Figure]:
    """The rows for what `bench.measured` has `found` and the server has `counted`."""
    part = f"{TRIGGERS:,} `{load.type}` triggers on {family.server}, every {load.interval_s} s"
    window_s = found["window_s"]
    intervals = window_s / load.interval_s
    # One more where the window begins just before a due moment, and one where a late round falls into it.
    most, least = round(intervals) + 2, least_rounds(intervals)
    fewest = family.per_round if family.is_exact else 1

    def row(name: str, value: float, unit: str, means: str, limit: Any = None) -> Figure:
        return Figure(part, name, value, unit, means, limit)

    return [
        row("questions", found["questions"], "",
            f"asked in {window_s:.1f} s; {family.different:,} different ones for each round",
            between(family.different * least, family.different * most)),
        row("values of a trigger, fewest", found["values_least"], "",
            "readings with a value, of the trigger with the fewest; one in each interval but one",
            must(">=", least)),
        row("round trips", found["round_trips"], "",
            f"{family.round_trip}, in the same time; {family.per_round:,} for each round",
            between(fewest * least, family.per_round * most)),
        row("round trips per round", found["round_trips"] / intervals, "", "the same, per interval"),
        row("connections", found["dialled"], "", "opened by the adapter since the operator's start",
            family.connections),
        *(row(word, value, "", "counted at the server, for two starts of the operator",
              family.limits.get(word))
          for word, value in counted.items()),
        *_woken(row, family, load, found),
        row("lateness p50", found["late_p50_s"] * 1e3, "ms", "poll due → its reading stored"),
        row("lateness p99", found["late_p99_s"] * 1e3, "ms", "the same, 99 of 100"),
        row("longest stall, own", found["stall_own_s"] * 1e3, "ms",
            "processor time of the loop's thread between two turns of a 2 ms timer, at most"),
        row("CPU", found["cpu_s"] / window_s * 60, "s/min", "processor time of the operator in that time"),
        row("RSS", found["rss_mb"], "MB", "its resident memory at the end"),
    ]  # fmt: skip


def _woken(
    row: Callable[..., Figure], family: Family, load: Load, found: Mapping[str, float]
) -> list[Figure]:
    """What waking costs where calls are metered: nothing beyond a round for each gap or interval."""
    if "woken_s" not in found:
        return []
    gap_s = found["wake_gap_s"]
    rounds = found["woken_s"] / min(gap_s, load.interval_s)
    means = (
        f"sent in {found['woken_s']:.0f} s in which all triggers are woken four times a second; "
        f"{gap_s:g} s lie between an answer and the next wake-up"
    )
    fewest = family.per_round if family.is_exact else 1
    limit = between(fewest * least_rounds(rounds), family.per_round * (round(rounds) + 2))
    return [row("round trips, woken", found["woken_round_trips"], "", means, limit)]
