"""The few AMQP 0-9-1 methods the examples need, over a plain socket.

So that the programs run on any Python image as it is; a project of your own would use a client library.
"""

import os
import socket
import struct
import time
from urllib.parse import unquote, urlsplit


class Broker:
    """One connection with one channel: `Broker(url).get("jobs")`.

    A broker that is away, or whose user or virtual host is not there yet, is waited for (60 s).
    """

    def __init__(self, url=None, patience_s=60.0):
        parts = urlsplit(url or os.environ["AMQP_URL"])
        self.address = (parts.hostname, parts.port or 5672)
        self.login = f"\0{unquote(parts.username or 'guest')}\0{unquote(parts.password or 'guest')}"
        self.vhost = unquote(parts.path[1:]) or "/"
        deadline = time.monotonic() + patience_s
        while not self.is_open():
            if time.monotonic() > deadline:
                raise ConnectionError(f"no RabbitMQ at {self.address}: {self.error}")
            time.sleep(0.5)

    def get(self, queue):
        """The next message as (tag, text), None when there is none. It is yours until `ack` or the end."""
        self.send(1, 60, 70, b"\0\0" + short(queue) + b"\0")
        fields = self.expect(60, 71, 72)
        if self.last == (60, 72):
            return None
        (tag,) = struct.unpack_from(">Q", fields)
        _, header = self.frame()
        (left,) = struct.unpack_from(">Q", header, 4)
        body = b""
        while len(body) < left:
            body += self.frame()[1]
        return tag, body.decode()

    def ack(self, tag):
        """The message is done: the broker forgets it."""
        self.send(1, 60, 80, struct.pack(">QB", tag, 0))

    def publish(self, queue, text):
        body = text.encode()
        self.send(1, 60, 40, b"\0\0" + short("") + short(queue) + b"\0")
        self.write(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0))
        if body:
            self.write(3, 1, body)

    def close(self):
        """Says goodbye and waits until all that was sent has arrived."""
        self.send(0, 10, 50, struct.pack(">HBHH", 200, 0, 0, 0))
        self.expect(10, 51)
        self.socket.close()

    # --- the protocol

    def is_open(self):
        try:
            self.open()
        except OSError as error:
            self.error = error
            return False
        return True

    def open(self):
        self.socket = socket.create_connection(self.address, timeout=30)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.expect(10, 10)
        self.send(0, 10, 11, long(b"") + short("PLAIN") + long(self.login.encode()) + short("en_US"))
        channels, size, _ = struct.unpack_from(">HIH", self.expect(10, 30))
        self.send(0, 10, 31, struct.pack(">HIH", channels, size, 0))  # 0: no heartbeats
        self.send(0, 10, 40, short(self.vhost) + b"\0\0")
        self.expect(10, 41)
        self.send(1, 20, 10, b"\0")
        self.expect(20, 11)

    def expect(self, group, *methods):
        """The fields of the next method, which must be one of these."""
        _, payload = self.frame()
        self.last = struct.unpack_from(">HH", payload)
        if self.last[0] != group or self.last[1] not in methods:
            code, size = struct.unpack_from(">HB", payload, 4)
            raise ConnectionError(f"{code} {payload[7 : 7 + size].decode(errors='replace')}")
        return payload[4:]

    def frame(self):
        head = self.read(7)
        kind, _, size = struct.unpack(">BHI", head)
        payload = self.read(size + 1)[:-1]
        return self.frame() if kind == 8 else (kind, payload)

    def read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise ConnectionError("the broker closed the connection")
        return data

    def send(self, channel, group, method, fields):
        self.write(1, channel, struct.pack(">HH", group, method) + fields)

    def write(self, kind, channel, payload):
        self.socket.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")


def short(text):
    return bytes([len(text.encode())]) + text.encode()


def long(raw):
    return struct.pack(">I", len(raw)) + raw
