"""A Kafka broker that is its own controller, as the images of Apache, Bitnami and Confluent start one.

Honoured: the broker's settings as `KAFKA_…` or `KAFKA_CFG_…` (Bitnami) write them,
`KAFKA_CLIENT_USERS` and `KAFKA_CLIENT_PASSWORDS` for listeners with PLAIN or SCRAM,
`KAFKA_INTER_BROKER_USER` and `KAFKA_INTER_BROKER_PASSWORD`, `KAFKA_KRAFT_CLUSTER_ID` and `CLUSTER_ID`,
`KAFKA_HEAP_OPTS`. All listeners are the pod's: a host that is left out, or local, becomes the pod's
address, and where the pod has a network of its own all addresses; clients are told the pod's. Users are
made when the data folder is new.

Sources: https://github.com/apache/kafka/blob/trunk/docker/examples/README.md,
https://github.com/bitnami/containers/tree/main/bitnami/kafka
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from tidegate.local.entrypoints.box import Box, Refused

# The jars may lie in a folder that only we may read.
USER = ""

DEFAULTS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
    "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}
# Variables of the images that are no settings of the broker.
_OTHERS: tuple[str, ...] = (
    "CLIENT_",
    "INTER_BROKER_USER",
    "INTER_BROKER_PASSWORD",
    "KRAFT_",
    "HEAP_OPTS",
    "OPTS",
    "HOME",
)
_OTHERS += ("JVM_", "LOG4J", "VERSION", "VOLUME_", "GC_LOG", "JMX_", "BASE_", "CONF_", "MOUNTED_", "DEBUG")
_SCRAM = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
_ITERATIONS = 4096
_MODULES = "org.apache.kafka.common.security."


def prepare(box: Box) -> list[str]:
    users = _users(box.env)
    properties = {**DEFAULTS, **_settings(box.env)}
    properties.setdefault("controller.quorum.voters", _itself(properties))
    properties.pop("controller.quorum.bootstrap.servers", None)
    if box.listen != box.address:
        properties.setdefault("advertised.listeners", _advertised(properties))
    for name in ("advertised.listeners", "controller.quorum.voters"):
        if name in properties:
            properties[name] = _of_pod(properties[name], box.address)
    properties["listeners"] = _of_pod(properties["listeners"], box.listen)
    properties["log.dirs"] = str(box.data / "data")
    properties |= {
        key: value for key, value in _logins(properties, users, box.env).items() if key not in properties
    }
    text = "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(properties.items()))
    written = box.write("tidegate/server.properties", text)
    if not (box.data / "data" / "meta.properties").exists():
        _format(box, written, properties, users)
    return [box.program, str(written), *box.args]


def _settings(env: Mapping[str, str]) -> dict[str, str]:
    """The broker's settings among the variables: Bitnami's where there is one, else Apache's."""
    bitnami = {
        name.removeprefix("KAFKA_CFG_"): value for name, value in env.items() if name.startswith("KAFKA_CFG_")
    }
    if bitnami:
        return {name.lower().replace("_", "."): value for name, value in bitnami.items()}
    signs = {"_": ".", "__": "_", "___": "-"}
    return {
        re.sub("_{1,3}", lambda found: signs[found[0]], name.removeprefix("KAFKA_").lower()): value
        for name, value in env.items()
        if name.startswith("KAFKA_")
        and not name.removeprefix("KAFKA_").startswith(_OTHERS)
        # What Kubernetes tells of a Service that is called kafka.
        and not re.match(r"KAFKA_(SERVICE|PORT)(_|$)", name)
    }


def _itself(properties: Mapping[str, str]) -> str:
    """The node as the only voter."""
    listener = re.escape(properties["controller.listener.names"].partition(",")[0].strip())
    found = re.search(rf"(?:^|,)\s*{listener}://[^,]*:(\d+)", properties["listeners"])
    if found is None:
        raise Refused("no listener is that of the controller, and nothing says who else is one")
    return f"{properties['node.id']}@localhost:{found[1]}"


def _advertised(properties: Mapping[str, str]) -> str:
    """What clients are told where nothing else is said: every listener but those of the controller."""
    controllers = re.split(r"\s*,\s*", properties["controller.listener.names"].strip())
    listeners = re.split(r"\s*,\s*", properties["listeners"].strip())
    return ",".join(one for one in listeners if one.partition("://")[0] not in controllers)


def _of_pod(listeners: str, address: str) -> str:
    """The same listeners or voters, at the pod's address where they name no other."""
    return re.sub(r"(://|@)(localhost|127\.0\.0\.1|0\.0\.0\.0)?:", rf"\g<1>{address}:", listeners)


def _users(env: dict[str, str]) -> dict[str, str]:
    """User and password of each client; taken out of the environment."""
    names = [one for one in re.split("[,; ]", env.pop("KAFKA_CLIENT_USERS", "")) if one]
    passwords = [one for one in re.split("[,; ]", env.pop("KAFKA_CLIENT_PASSWORDS", "")) if one]
    if len(names) != len(passwords):
        raise Refused("KAFKA_CLIENT_USERS and KAFKA_CLIENT_PASSWORDS name different numbers of users")
    users = dict(zip(names, passwords, strict=True))
    if "KAFKA_INTER_BROKER_USER" in env:
        users[env["KAFKA_INTER_BROKER_USER"]] = env.get("KAFKA_INTER_BROKER_PASSWORD", "")
    return users


def _logins(properties: Mapping[str, str], users: Mapping[str, str], env: dict[str, str]) -> dict[str, str]:
    """What each listener with SASL needs to know of each mechanism."""
    protocols = dict(re.findall(r"([^,:\s]+):([^,:\s]+)", properties["listener.security.protocol.map"]))
    mechanisms = [
        one.strip() for one in properties.get("sasl.enabled.mechanisms", "").split(",") if one.strip()
    ]
    own = env.pop("KAFKA_INTER_BROKER_USER", ""), env.pop("KAFKA_INTER_BROKER_PASSWORD", "")
    as_client = f" username={_quoted(own[0])} password={_quoted(own[1])}" if own[0] else ""
    known = "".join(f" user_{name}={_quoted(password)}" for name, password in users.items())
    logins = {}
    for listener in re.findall(r"([^,:\s]+)://", properties["listeners"]):
        if not protocols.get(listener, listener).startswith("SASL_"):
            continue
        for mechanism in mechanisms:
            key = f"listener.name.{listener.lower()}.{mechanism.lower()}.sasl.jaas.config"
            if mechanism == "PLAIN":
                logins[key] = f"{_MODULES}plain.PlainLoginModule required{as_client}{known};"
            elif mechanism in _SCRAM:
                logins[key] = f"{_MODULES}scram.ScramLoginModule required{as_client};"
    return logins


def _format(box: Box, properties: Path, settings: Mapping[str, str], users: Mapping[str, str]) -> None:
    """Makes the data folder, with the users in it. Passwords are salted first: others see command lines."""
    storage = Path(box.program).with_name("kafka-storage.sh")
    random_id = base64.urlsafe_b64encode(os.urandom(16)).decode()[:22]
    cluster = box.env.get("KAFKA_KRAFT_CLUSTER_ID") or box.env.get("CLUSTER_ID") or random_id
    command = [str(storage), "format", "--cluster-id", cluster, "--config", str(properties)]
    for mechanism in _SCRAM.keys() & set(
        settings.get("sasl.enabled.mechanisms", "").replace(" ", "").split(",")
    ):
        for name, password in users.items():
            command += ["--add-scram", f"{mechanism}=[{_salted(mechanism, name, password)}]"]
    # It repeats what it was given.
    box.run(["/bin/sh", "-c", 'exec "$@" >/dev/null', "sh", *command])


def _salted(mechanism: str, name: str, password: str) -> str:
    salt = secrets.token_bytes(24)
    hashed = hashlib.pbkdf2_hmac(_SCRAM[mechanism], password.encode(), salt, _ITERATIONS)
    texts = (base64.b64encode(one).decode() for one in (salt, hashed))
    return 'name={},iterations={},salt="{}",saltedpassword="{}"'.format(name, _ITERATIONS, *texts)


def _quoted(text: str) -> str:
    """As a JAAS configuration writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(value: str) -> str:
    """As a properties file writes it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
