"""A stand-in for one event hub: keeps events in memory, tells where its partitions stand by AMQP 1.0.

What the real service does for readers and writers over AMQP is done over HTTP here (`POST /events`,
`GET /events`): the examples need no client library then. The AMQP side has the two operations that tell of a
hub and its partitions, and tokens are checked, so that Microsoft's own clients can ask it too.

Source: OASIS, "AMQP 1.0"; Microsoft, "AMQP 1.0 in Azure Service Bus and Event Hubs".
"""

import base64
import hashlib
import hmac
import json
import os
import socketserver
import struct
import threading
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlsplit

AMQP, SASL = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"
OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
LENGTHS = dict(zip(range(0x10, 0x19), (10, 8, 14, 11, 11, 6, 3, 1, 1), strict=True))


class Hub:
    """Events by partition. `begins` are the sequence numbers of the oldest events that are kept."""

    def __init__(self, name, partitions, key_name, key):
        self.name, self.key_name, self.key = name, key_name, key
        self.events = [[] for _ in range(partitions)]
        self.begins = [0] * partitions
        self.connections = self.requests = 0
        self.credit = 100  # requests that may be on their way to us

    def put(self, text, partition=None):
        """In turn, unless a partition is named."""
        if partition is None:
            partition = sum(map(len, self.events)) % len(self.events)
        self.events[partition].append(text)

    def last(self, partition):
        return self.begins[partition] + len(self.events[partition]) - 1

    def is_signed(self, token):
        """Source: Microsoft, "Generate a Shared Access Signature token"."""
        scheme, _, text = token.partition(" ")
        fields = dict(parse_qsl(text))
        if scheme != "SharedAccessSignature" or fields.get("skn") != self.key_name:
            return False
        signed = f"{quote_plus(fields['sr'])}\n{fields['se']}".encode()
        wanted = base64.b64encode(hmac.new(self.key.encode(), signed, hashlib.sha256).digest()).decode()
        return fields.get("sig") == wanted and int(fields["se"]) > time.time()

    def answer(self, node, asked, body):
        """The status and the value for a request."""
        self.requests += 1
        if node == "$cbs":
            return (202, None) if self.is_signed(body) else (401, None)
        if not self.is_signed(asked.get("security_token", "")):
            return 401, None
        if asked.get("name") != self.name:
            return 404, None
        if asked.get("type") == "com.microsoft:eventhub":
            ids = [str(one) for one in range(len(self.events))]
            return 200, {"name": self.name, "created_at": Moment(), "partition_ids": Array(ids)}
        partition = asked.get("partition", "")
        if not partition.isdigit() or int(partition) >= len(self.events):
            return 404, None
        number = int(partition)
        return 200, {
            "name": self.name,
            "partition": partition,
            "begin_sequence_number": self.begins[number],
            "last_enqueued_sequence_number": self.last(number),
            "last_enqueued_offset": "0",
            "last_enqueued_time_utc": Moment(),
            "is_partition_empty": not self.events[number],
        }


class Conversation(socketserver.BaseRequestHandler):
    """One AMQP connection, with one session."""

    def handle(self):
        self.hub = self.server.hub
        self.hub.connections += 1
        self.nodes, self.replies, self.counts = {}, {}, {}
        self.sent = self.taken = self.channel = 0
        with suppress(OSError, EOFError, IndexError, struct.error):
            self.talk()

    def talk(self):
        if self.read(8) != SASL:
            return
        self.request.sendall(SASL)
        self.send(0x40, [Array(["ANONYMOUS", "MSSBCBS"], is_symbol=True)], kind=1)
        self.frame()
        self.send(0x44, [Small(0)], kind=1)
        self.read(8)
        self.request.sendall(AMQP)
        while True:
            code, fields, payload = self.frame()
            if code is None:
                continue
            fields += [None] * 14
            if code == OPEN:
                self.send(OPEN, ["small-event-hub", None, Unsigned(65536), Short(255), Unsigned(120000)])
            elif code == BEGIN:
                self.send(
                    BEGIN, [Short(self.channel), Unsigned(0), Unsigned(5000), Unsigned(5000), Unsigned(255)]
                )
            elif code == ATTACH:
                self.attach(*fields[:3], fields[5].value, fields[6].value)
            elif code == TRANSFER:
                self.take(fields[0], fields[1], fields[4], payload)
            elif code == DETACH:
                self.send(DETACH, [Unsigned(fields[0]), True])
            elif code == END:
                self.send(END, [])
            elif code == CLOSE:
                self.send(CLOSE, [])
                return

    def attach(self, name, handle, is_receiver, source, target):
        """The same link from our side; who sends to us may send so many requests at a time."""
        ends = [Described(0x28, source), Described(0x29, target)]
        first = [None, None, Unsigned(0)] if is_receiver else []
        self.send(ATTACH, [name, Unsigned(handle), not is_receiver, Small(0), Small(0), *ends, *first])
        if is_receiver:
            self.replies[target[0]] = self.replies[source[0]] = handle
        else:
            self.nodes[handle] = target[0]
            self.credit(handle)

    def credit(self, handle):
        numbers = [self.taken, 5000, self.sent, 5000, handle, self.taken_of(handle), self.hub.credit]
        self.send(FLOW, [Unsigned(one) for one in numbers])

    def taken_of(self, handle):
        return self.counts.get(handle, 0)

    def take(self, handle, delivery, is_settled, payload):
        """A request, and its answer."""
        self.taken += 1
        self.counts[handle] = self.taken_of(handle) + 1
        if not is_settled:
            accepted = Described(0x24, [])
            self.send(DISPOSITION, [True, Unsigned(delivery), Unsigned(delivery), True, accepted])
        sections, at = {}, 0
        while at < len(payload):
            section, at = decode(payload, at)
            sections[section.code] = section.value
        properties = sections.get(0x73, []) + [None] * 6
        node = self.nodes[handle]
        status, value = self.hub.answer(node, sections.get(0x74, {}), sections.get(0x77))
        message = (
            Described(0x73, [None] * 5 + [properties[0]] + [None] * 7),
            Described(0x74, {"status-code": Signed(status), "status-description": "told"}),
            Described(0x77, value),
        )
        link = self.replies.get(properties[4]) if properties[4] else self.replies[node]
        tag = struct.pack(">I", self.sent)
        head = [Unsigned(link), Unsigned(self.sent), tag, Unsigned(0), True]
        self.send(TRANSFER, head, payload=b"".join(map(encode, message)))
        self.sent += 1
        if self.taken_of(handle) % 50 == 0:
            self.credit(handle)

    def frame(self):
        size, offset, _, self.channel = struct.unpack(">IBBH", self.read(8))
        body = self.read(size - 8)[offset * 4 - 8 :]
        if not body:
            return None, [], b""
        found, at = decode(body, 0)
        return found.code, found.value, body[at:]

    def send(self, code, fields, kind=0, payload=b""):
        # Microsoft's client wants every field, also where the standard lets the last ones be left out.
        whole = fields + [None] * (LENGTHS.get(code, 0) - len(fields))
        body = encode(Described(code, whole)) + payload
        self.request.sendall(struct.pack(">IBBH", len(body) + 8, 2, kind, self.channel) + body)

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.request.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Events(BaseHTTPRequestHandler):
    """`POST /events` puts an event for each line, `GET /events?partition=0&after=7` shows the next ones."""

    def do_POST(self):
        for line in self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines():
            self.server.hub.put(line)
        self.say({"partitions": len(self.server.hub.events)})

    def do_GET(self):
        asked, hub = parse_qs(urlsplit(self.path).query), self.server.hub
        if "partition" not in asked:
            return self.say({"partitions": len(hub.events)})
        partition, after = int(asked["partition"][0]), int(asked["after"][0])
        first = max(after + 1 - hub.begins[partition], 0)
        texts = hub.events[partition][first : first + 100]
        begin = hub.begins[partition] + first
        return self.say([{"sequence": begin + place, "text": text} for place, text in enumerate(texts)])

    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# --- AMQP's types


class Described:
    def __init__(self, code, value):
        self.code, self.value = code, value


class Unsigned(int):
    """A uint."""


class Signed(int):
    """An int of four bytes; plain ones have eight."""


class Short(int):
    """A ushort."""


class Small(int):
    """A ubyte."""


class Moment:
    """A timestamp: now."""


class Array(list):
    def __init__(self, texts, is_symbol=False):
        super().__init__(texts)
        self.code = 0xB3 if is_symbol else 0xB1


def encode(value):
    if value is None or isinstance(value, bool):
        return {None: b"\x40", True: b"\x41", False: b"\x42"}[value]
    if isinstance(value, Described):
        return b"\x00\x53" + bytes([value.code]) + encode(value.value)
    for kind, layout in NUMBERS:
        if isinstance(value, kind):
            return struct.pack(layout[0], layout[1], value)
    if isinstance(value, Moment):
        return struct.pack(">Bq", 0x83, int(time.time() * 1000))
    if isinstance(value, uuid.UUID):
        return b"\x98" + value.bytes
    if isinstance(value, str):
        return struct.pack(">BI", 0xB1, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xB0, len(value)) + value
    if isinstance(value, Array):
        inside = b"".join(struct.pack(">I", len(one.encode())) + one.encode() for one in value)
        return struct.pack(">BIIB", 0xF0, len(inside) + 5, len(value), value.code) + inside
    parts = [one for pair in value.items() for one in pair] if isinstance(value, dict) else value
    inside = b"".join(map(encode, parts))
    return (
        struct.pack(">BII", 0xD1 if isinstance(value, dict) else 0xD0, len(inside) + 4, len(parts)) + inside
    )


NUMBERS = (
    (Unsigned, (">BI", 0x70)),
    (Signed, (">Bi", 0x71)),
    (Short, (">BH", 0x60)),
    (Small, (">BB", 0x50)),
    (int, (">Bq", 0x81)),
)
FIXED = {
    0x50: "B", 0x51: "b", 0x52: "B", 0x53: "B", 0x54: "b", 0x55: "b", 0x56: "?", 0x60: "H", 0x61: "h",
    0x70: "I", 0x71: "i", 0x80: "Q", 0x81: "q", 0x82: "d", 0x83: "q",
}  # fmt: skip


def decode(data, at):
    """The value at this place, and where the next begins."""
    code, at = data[at], at + 1
    if code == 0:
        number, at = decode(data, at)
        value, at = decode(data, at)
        return Described(number, value), at
    if code in FIXED:
        size = struct.calcsize(FIXED[code])
        return struct.unpack_from(f">{FIXED[code]}", data, at)[0], at + size
    if 0x40 <= code <= 0x45:
        return (None, True, False, 0, 0, [])[code - 0x40], at
    if code == 0x98:
        return uuid.UUID(bytes=data[at : at + 16]), at + 16
    layout = ">I" if code >> 4 in (0xB, 0xD, 0xF) else ">B"
    (size,) = struct.unpack_from(layout, data, at)
    at += struct.calcsize(layout)
    inside, end = data[at : at + size], at + size
    if code >> 4 in (0xA, 0xB):
        return (inside if code & 15 == 0 else inside.decode()), end
    (count,) = struct.unpack_from(layout, inside)
    place, parts = struct.calcsize(layout), []
    for _ in range(count):
        part, place = decode(inside, place)
        parts.append(part)
    return (dict(zip(parts[::2], parts[1::2], strict=True)) if code & 15 == 1 else parts), end


def serve(hub, host="", amqp_port=5672, http_port=8080):
    """The two servers, each in a thread of its own."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    amqp = socketserver.ThreadingTCPServer((host, amqp_port), Conversation)
    http = ThreadingHTTPServer((host, http_port), Events)
    for server in (amqp, http):
        server.daemon_threads = True
        server.hub = hub
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return amqp, http


if __name__ == "__main__":
    own = Hub(
        os.environ.get("HUB", "pages"),
        int(os.environ.get("PARTITIONS", "4")),
        os.environ["KEY_NAME"],
        os.environ["KEY"],
    )
    serve(own, os.environ.get("POD_IP", ""))
    print(f"event hub {own.name} with {len(own.events)} partitions", flush=True)
    threading.Event().wait()
