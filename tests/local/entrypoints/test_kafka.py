"""The Kafka entrypoint: which settings it makes of the variables, and which users it makes."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from tidegate.local.entrypoints import kafka
from tidegate.local.entrypoints.box import Box, Refused

BITNAMI = {
    "KAFKA_CFG_LISTENERS": "CLIENT://:9092,CONTROLLER://:9093,INTERNAL://localhost:9094",
    "KAFKA_CFG_ADVERTISED_LISTENERS": "CLIENT://kafka.shop:9092,INTERNAL://127.0.0.1:9094",
    "KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,"
    "INTERNAL:PLAINTEXT",
    "KAFKA_CFG_SASL_ENABLED_MECHANISMS": "SCRAM-SHA-512,PLAIN",
    "KAFKA_CLIENT_USERS": "alice,bob",
    "KAFKA_CLIENT_PASSWORDS": 'hunter2-a,hunter2-\\"b',
}


class Pod:
    """An entrypoint's run, with a kafka-storage.sh that writes down how it was called."""

    def __init__(self, folder: Path, env: dict[str, str], listen: str = "") -> None:
        self.folder = folder
        program = folder / "bin" / "kafka-server-start.sh"
        program.parent.mkdir(exist_ok=True)
        storage = program.with_name("kafka-storage.sh")
        storage.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {folder}/called\n')
        storage.chmod(0o755)
        data = folder / "data"
        data.mkdir(exist_ok=True)
        env = {"PATH": "/bin", **env}
        self.box = Box(str(program), ["--override", "a=b"], env, data, "127.96.0.9", listen=listen)
        self.command = kafka.prepare(self.box)

    @property
    def settings(self) -> dict[str, str]:
        lines = Path(self.command[1]).read_text().splitlines()
        return {key: value for key, _, value in (line.partition("=") for line in lines)}

    @property
    def called(self) -> list[str]:
        path = self.folder / "called"
        return path.read_text().splitlines() if path.exists() else []


def test_without_variables_it_is_one_broker_on_the_pods_address(tmp_path: Path) -> None:
    pod = Pod(tmp_path, {})
    assert pod.command == [
        pod.box.program,
        f"{tmp_path}/data/tidegate/server.properties",
        "--override",
        "a=b",
    ]
    assert pod.settings["listeners"] == "PLAINTEXT://127.96.0.9:9092,CONTROLLER://127.96.0.9:9093"
    assert pod.settings["controller.quorum.voters"] == "1@127.96.0.9:9093"
    assert pod.settings["log.dirs"] == f"{tmp_path}/data/data"
    assert pod.called[:2] == ["format", "--cluster-id"]
    assert "--add-scram" not in pod.called


@pytest.mark.parametrize(
    ("env", "listeners", "advertised"),
    [
        ({}, "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093", "PLAINTEXT://127.96.0.9:9092"),
        (
            {"KAFKA_LISTENERS": "CONTROLLER://:1, A://localhost:2,B://10.0.0.9:3"},
            "CONTROLLER://0.0.0.0:1, A://0.0.0.0:2,B://10.0.0.9:3",
            "A://127.96.0.9:2,B://10.0.0.9:3",
        ),
        (
            BITNAMI,
            "CLIENT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093,INTERNAL://0.0.0.0:9094",
            "CLIENT://kafka.shop:9092,INTERNAL://127.96.0.9:9094",
        ),
    ],
)
def test_in_a_network_of_its_own_it_listens_everywhere_and_tells_the_pods_address(
    tmp_path: Path, env: dict[str, str], listeners: str, advertised: str
) -> None:
    pod = Pod(tmp_path, env, "0.0.0.0")
    assert pod.settings["listeners"] == listeners
    assert pod.settings["advertised.listeners"] == advertised
    assert pod.settings["controller.quorum.voters"].startswith("1@127.96.0.9:")


@pytest.mark.parametrize(
    ("env", "voters"),
    [
        ({}, "1@127.96.0.9:9093"),
        ({"KAFKA_NODE_ID": "7"}, "7@127.96.0.9:9093"),
        ({"KAFKA_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS": "localhost:9093"}, "1@127.96.0.9:9093"),
        (
            {"KAFKA_CONTROLLER_LISTENER_NAMES": "C", "KAFKA_LISTENERS": "A://:1,C://localhost:29093"},
            "1@127.96.0.9:29093",
        ),
        ({"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@other:9093"}, "1@other:9093"),
    ],
)
def test_the_node_votes_for_itself(tmp_path: Path, env: dict[str, str], voters: str) -> None:
    settings = Pod(tmp_path, env).settings
    assert settings["controller.quorum.voters"] == voters
    assert "controller.quorum.bootstrap.servers" not in settings


def test_a_controller_that_listens_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no listener is that of the controller"):
        Pod(tmp_path, {"KAFKA_LISTENERS": "PLAINTEXT://:9092"})


@pytest.mark.parametrize(
    ("env", "settings"),
    [
        ({"KAFKA_NUM_PARTITIONS": "3"}, {"num.partitions": "3"}),
        ({"KAFKA_A_B__C___D": "x"}, {"a.b_c-d": "x"}),
        ({"KAFKA_CFG_NUM_PARTITIONS": "3", "KAFKA_VERSION": "4.0"}, {"num.partitions": "3"}),
        (
            {"KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093"},
            {"listeners": "PLAINTEXT://127.96.0.9:9092,CONTROLLER://127.96.0.9:9093"},
        ),
        ({"KAFKA_NUM_PARTITIONS": "a\\b\nc"}, {"num.partitions": "a\\\\b\\nc"}),
    ],
)
def test_variables_become_settings(tmp_path: Path, env: dict[str, str], settings: dict[str, str]) -> None:
    assert settings.items() <= Pod(tmp_path, env).settings.items()


@pytest.mark.parametrize(
    "name",
    [
        "KAFKA_HEAP_OPTS",
        "KAFKA_OPTS",
        "KAFKA_HOME",
        "KAFKA_SERVICE_HOST",
        "KAFKA_PORT_9092_TCP",
        "KAFKA_PORT",
    ],
)
def test_other_variables_are_none(tmp_path: Path, name: str) -> None:
    assert Pod(tmp_path, {name: "value"}).settings == Pod(tmp_path, {}).settings


def test_clients_log_in_where_the_listener_wants_it(tmp_path: Path) -> None:
    pod = Pod(tmp_path, dict(BITNAMI))
    modules = "org.apache.kafka.common.security."
    logins = {key: value for key, value in pod.settings.items() if key.endswith("jaas.config")}
    assert logins == {
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{modules}scram.ScramLoginModule required;",
        "listener.name.client.plain.sasl.jaas.config": f"{modules}plain.PlainLoginModule required "
        'user_alice="hunter2-a" user_bob="hunter2-\\\\\\\\\\\\"b";',
    }
    assert pod.settings["listeners"].count("127.96.0.9") == 3
    assert pod.settings["advertised.listeners"] == "CLIENT://kafka.shop:9092,INTERNAL://127.96.0.9:9094"
    assert "hunter2" not in str(pod.box.env)


def test_users_are_made_salted_and_only_in_a_new_folder(tmp_path: Path) -> None:
    pod = Pod(tmp_path, dict(BITNAMI))
    users = [pod.called[n + 1] for n, word in enumerate(pod.called) if word == "--add-scram"]
    assert [user.partition(",")[0] for user in users] == [
        "SCRAM-SHA-512=[name=alice",
        "SCRAM-SHA-512=[name=bob",
    ]
    assert "hunter2" not in str(pod.called)
    found = re.search(r'iterations=(\d+),salt="(.+)",saltedpassword="(.+)"]', users[0])
    assert found is not None
    salted = hashlib.pbkdf2_hmac("sha512", b"hunter2-a", base64.b64decode(found[2]), int(found[1]))
    assert base64.b64decode(found[3]) == salted
    (tmp_path / "data" / "data").mkdir()
    (tmp_path / "data" / "data" / "meta.properties").touch()
    before = pod.called
    assert Pod(tmp_path, dict(BITNAMI)).called == before


def test_the_brokers_own_user_logs_in_as_a_client_too(tmp_path: Path) -> None:
    own = {"KAFKA_INTER_BROKER_USER": "broker", "KAFKA_INTER_BROKER_PASSWORD": "hunter2-own"}
    pod = Pod(tmp_path, {**BITNAMI, **own})
    scram = pod.settings["listener.name.client.scram-sha-512.sasl.jaas.config"]
    assert scram.endswith('required username="broker" password="hunter2-own";')
    assert sum("name=broker" in word for word in pod.called) == 1


def test_a_password_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="different numbers"):
        Pod(tmp_path, {**BITNAMI, "KAFKA_CLIENT_PASSWORDS": "hunter2"})


def test_a_format_that_fails_is_told(tmp_path: Path) -> None:
    env: dict[str, Any] = {"PATH": "/bin"}
    box = Box(str(tmp_path / "kafka-server-start.sh"), [], env, tmp_path, "127.96.0.9")
    with pytest.raises(Refused, match="ended with"):
        kafka.prepare(box)
