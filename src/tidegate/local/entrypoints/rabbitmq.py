"""RabbitMQ with its management API, as the `rabbitmq` images start it.

Honoured: `RABBITMQ_DEFAULT_USER`, `RABBITMQ_DEFAULT_PASS`, `RABBITMQ_DEFAULT_VHOST`, `RABBITMQ_ERLANG_COOKIE`
and `RABBITMQ_CONFIG_FILE`. The ports are the pod's 5672, 15672 and 15692 (metrics); the node itself and its
port mapper, which no other node needs, listen on the machine's loopback.

Source: https://github.com/docker-library/docs/tree/master/rabbitmq
"""

from __future__ import annotations

import secrets

from tidegate.local.entrypoints.box import Box, free_port

USER = "rabbitmq"

CONFIGURATION = """\
listeners.tcp.1 = {address}:5672
management.tcp.ip = {address}
management.tcp.port = 15672
prometheus.tcp.ip = {address}
prometheus.tcp.port = 15692
loopback_users = none
"""

# The tools (`kubectl exec … -- rabbitmqctl`) read it too, and find the node by it.
ENVIRONMENT = """\
NODENAME={node}
ERL_EPMD_ADDRESS=127.0.0.1
export ERL_EPMD_ADDRESS
ERL_EPMD_PORT={port}
export ERL_EPMD_PORT
"""


def prepare(box: Box) -> list[str]:
    cookie = box.data / ".erlang.cookie"
    if given := box.env.pop("RABBITMQ_ERLANG_COOKIE", ""):
        box.write(cookie.name, given)
    elif not cookie.exists():
        box.write(cookie.name, secrets.token_hex(16))
    configured = box.write("tidegate/rabbitmq.conf", CONFIGURATION.format(address=box.listen))
    plugins = box.write("tidegate/enabled_plugins", "[rabbitmq_management,rabbitmq_prometheus].\n")
    port = free_port()
    node = box.env.get("RABBITMQ_NODENAME", "rabbit@localhost")
    settings = box.write("tidegate/rabbitmq-env.conf", ENVIRONMENT.format(node=node, port=port))
    own = {
        "HOME": str(box.data),
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_CONF_ENV_FILE": str(settings),
        "RABBITMQ_MNESIA_BASE": str(box.data / "mnesia"),
        "RABBITMQ_LOGS": "-",
        # Some things it writes into a file whatever that says; the machine's own folder is not ours.
        "RABBITMQ_LOG_BASE": str(box.data / "log"),
        "ERL_CRASH_DUMP": str(box.data / "log" / "erl_crash.dump"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(box.data / "tidegate"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(box.data / "tidegate" / "pid"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
    }
    if "RABBITMQ_CONFIG_FILE" in box.env:
        own["RABBITMQ_CONFIG_FILES"] = str(configured)
    else:
        own["RABBITMQ_CONFIG_FILE"] = str(configured)
    box.env |= own
    return [box.program, *box.args]
