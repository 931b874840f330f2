"""ActiveMQ Classic and Artemis on loopback, each with Jolokia's agent: a login, a strict check of origins."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from parts.server_process import ServerProcess
from parts.servers import installed

POLICY = """<?xml version="1.0" encoding="UTF-8"?>
<restrict><cors><allow-origin>http://allowed*</allow-origin><strict-checking/></cors></restrict>
"""
ORIGIN = "http://allowed.example"


class JolokiaProcess(ServerProcess):
    """A broker whose name is `token`; `port` is its own, `ports[1]` is Jolokia's."""

    port_count = 2
    start_s = 40.0
    login = "admin"
    password = "hunter2-hunter2"
    path: ClassVar[str]
    ready_bean: ClassVar[str]
    ready_attribute: ClassVar[str]

    @property
    def jolokia(self) -> str:
        return f"127.0.0.1:{self.ports[1]}"

    def prepare(self) -> None:
        self.write("policy.xml", POLICY)

    def command(self) -> list[str]:
        folder = installed(self.server)
        (agent,) = (folder / "lib").glob("jolokia-agent-jvm-*-javaagent.jar")
        # The agent brings its own; what it depends on must not stand before it.
        jars = [str(path) for path in sorted((folder / "lib").glob("*.jar")) if "jolokia" not in path.name]
        settings = {
            "host": "127.0.0.1",
            "port": self.ports[1],
            "agentContext": self.path,
            "user": self.login,
            "password": self.password,
            "policyLocation": f"file://{self.folder}/policy.xml",
        }
        options = ",".join(f"{key}={value}" for key, value in settings.items())
        lean = ["-Xmx160m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        place = ":".join([str(folder / "classes"), *jars])
        return [
            "java",
            *lean,
            f"-javaagent:{agent}={options}",
            "-cp",
            place,
            "Broker",
            self.token,
            str(self.port),
        ]

    def is_ready(self) -> bool:
        return bool(self.read(self.ready_bean.format(name=self.token), self.ready_attribute))

    def read(self, bean: str, attribute: str) -> Any:
        return self.ask({"type": "read", "mbean": bean, "attribute": attribute})

    def exec(self, bean: str, operation: str, *arguments: Any) -> Any:
        return self.ask({"type": "exec", "mbean": bean, "operation": operation, "arguments": list(arguments)})

    def ask(self, body: dict[str, Any]) -> Any:
        login = f"{self.login}:{self.password}"
        said = json.loads(
            self.call("POST", f"{self.path}/", port=self.ports[1], body=body, login=login, origin=ORIGIN)
        )
        if said["status"] != 200:
            raise LookupError(said.get("error"))
        return said["value"]

    def make_queue(self, name: str, messages: int) -> None:
        raise NotImplementedError


class ActivemqServer(JolokiaProcess):
    server = "activemq"
    path = "/api/jolokia"
    ready_bean = "org.apache.activemq:type=Broker,brokerName={name}"
    ready_attribute = "BrokerVersion"

    def is_ready(self) -> bool:
        """The version is there before the broker has started."""
        self.make_queue(self.token, 0)
        return True

    def make_queue(self, name: str, messages: int) -> None:
        broker = self.ready_bean.format(name=self.token)
        self.exec(broker, "addQueue(java.lang.String)", name)
        queue = f"{broker},destinationType=Queue,destinationName={name}"
        for _ in range(messages):
            self.exec(queue, "sendTextMessage(java.lang.String)", "x")


class ArtemisServer(JolokiaProcess):
    server = "artemis"
    path = "/console/jolokia"
    ready_bean = 'org.apache.activemq.artemis:broker="{name}"'
    ready_attribute = "Version"

    def make_queue(self, name: str, messages: int) -> None:
        broker = self.ready_bean.format(name=self.token)
        kinds = "(java.lang.String,java.lang.String,java.lang.String)"
        self.exec(broker, f"createQueue{kinds}", name, name, "ANYCAST")
        address = f'{broker},component=addresses,address="{name}"'
        send = "sendMessage(java.util.Map,int,java.lang.String,boolean,java.lang.String,java.lang.String)"
        for _ in range(messages):
            self.exec(address, send, {}, 3, "x", False, None, None)
