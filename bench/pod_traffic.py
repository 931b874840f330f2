"""The two ends of traffic between pods. Pods run its text, hence nothing but the standard library.

    serve                                 one port: echoes, or counts what it is sent
    ask TURNS SECONDS TRIPS HOST [HOST …]   what each host gave, as JSON in the pod's termination message

The hosts take turns, so that whatever else the machine does then touches them all.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import time

PORT = 8080
MESSAGE = "/dev/termination-log"
ECHO, COUNT = b"e", b"c"
PIECE = bytes(256 * 1024)
PATIENCE_S = 30.0


class Answer(socketserver.BaseRequestHandler):
    """The first byte says what is wanted."""

    def handle(self) -> None:
        talk = self.request
        talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wanted = talk.recv(1)
        count = 0
        while piece := talk.recv(len(PIECE)):
            count += len(piece)
            if wanted == ECHO:
                talk.sendall(piece)
        if wanted == COUNT:
            talk.sendall(b"%d\n" % count)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def dial(host: str, wanted: bytes) -> socket.socket:
    talk = socket.create_connection((host, PORT), PATIENCE_S)
    talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk.sendall(wanted)
    return talk


def await_host(host: str) -> None:
    """Until the server listens and the Service leads there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            dial(host, ECHO).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def stream(host: str, seconds: float) -> tuple[float, bool]:
    """Bytes per second of one connection, and whether all that was sent was counted at the other end."""
    with dial(host, COUNT) as talk:
        began_s, sent = time.monotonic(), 0
        while time.monotonic() < began_s + seconds:
            talk.sendall(PIECE)
            sent += len(PIECE)
        talk.shutdown(socket.SHUT_WR)
        counted = int(talk.makefile().readline())
        return counted / (time.monotonic() - began_s), counted == sent


def trips(host: str, count: int) -> list[float]:
    """Seconds of each round trip of one byte, on one connection."""
    took = []
    with dial(host, ECHO) as talk:
        for _ in range(count):
            began_s = time.monotonic()
            talk.sendall(b"x")
            if talk.recv(1) != b"x":
                break
            took.append(time.monotonic() - began_s)
    return took


def connections(host: str, seconds: float) -> tuple[int, int]:
    """How many were made one after the other, each with a round trip; and how many of these were answered."""
    end_s, made, answered = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end_s:
        with dial(host, ECHO + b"x") as talk:
            made += 1
            answered += talk.recv(1) == b"x"
    return made, answered


def ask(turns: int, seconds: float, count: int, hosts: list[str]) -> None:
    found: dict[str, dict[str, list[float]]] = {host: {} for host in hosts}
    for host in hosts:
        await_host(host)
    for _ in range(turns):
        for host in hosts:
            speed, is_whole = stream(host, seconds)
            made, answered = connections(host, seconds)
            turn: dict[str, list[float]] = {
                "bytes_s": [speed],
                "whole": [is_whole],
                "made": [made],
                "answered": [answered],
                "trips_s": trips(host, count),
            }
            for name, values in turn.items():
                found[host].setdefault(name, []).extend(values)
    with open(MESSAGE, "w") as message:
        json.dump({host: summary(one) for host, one in found.items()}, message)


def summary(found: dict[str, list[float]]) -> dict[str, float]:
    """A termination message holds 4 kB."""
    ordered = sorted(found["trips_s"])
    speeds = sorted(found["bytes_s"])
    return {
        "bytes_s": speeds[len(speeds) // 2],
        "whole": sum(found["whole"]),
        "made": sum(found["made"]),
        "answered": sum(found["answered"]),
        "trips": len(ordered),
        "trip_p50_s": ordered[len(ordered) // 2],
        "trip_p99_s": ordered[len(ordered) * 99 // 100],
    }


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        Server(("0.0.0.0", PORT), Answer).serve_forever()
    else:
        ask(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
