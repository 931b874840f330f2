"""ElasticMQ: an emulator of SQS on loopback. Any key is good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import installed

REGION = "eu-west-1"

CONFIG = """include classpath("application.conf")
node-address {{ protocol = http, host = "{host}", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "{host}", bind-port = {port}, sqs-limits = strict }}
rest-stats {{ enabled = false }}
queues {{ {token} {{}} }}
"""


class ElasticMq(ServerProcess):
    server = "elasticmq"
    start_s = 60.0

    def prepare(self) -> None:
        self.write("elasticmq.conf", CONFIG.format(host=self.host, port=self.port, token=self.token))
        self.write("logback.xml", '<configuration><root level="OFF"/></configuration>')

    def command(self) -> Sequence[str]:
        flags = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        settings = (
            f"-Dconfig.file={self.folder}/elasticmq.conf",
            f"-Dlogback.configurationFile={self.folder}/logback.xml",
        )
        library = str(installed("elasticmq") / "lib" / "*")
        return ["java", *flags, *settings, "-cp", library, "org.elasticmq.server.Main"]

    def is_ready(self) -> bool:
        return self.token in self.ask("GetQueueUrl", QueueName=self.token)["QueueUrl"]

    def ask(self, operation: str, **parameters: Any) -> Any:
        """An administrator's call; its answer."""
        target = f"AmazonSQS.{operation}"
        body = json.dumps(parameters).encode()
        answer = self.call(
            "POST", "/", body=body, X_Amz_Target=target, content_type="application/x-amz-json-1.0"
        )
        return json.loads(answer or b"{}")

    def url(self, queue: str) -> str:
        return f"http://{self.address}/000000000000/{queue}"

    def seen(self, queue: str) -> list[bytes]:
        """The bodies of the messages that anybody could receive, of ten at most."""
        asked = {"QueueUrl": self.url(queue), "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
        return [one["Body"].encode() for one in self.ask("ReceiveMessage", **asked).get("Messages", ())]

    def in_flight(self, queue: str) -> int:
        """How many messages somebody has received, and may not be received by others."""
        name = "ApproximateNumberOfMessagesNotVisible"
        return int(
            self.ask("GetQueueAttributes", QueueUrl=self.url(queue), AttributeNames=[name])["Attributes"][
                name
            ]
        )
