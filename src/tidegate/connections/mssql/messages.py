"""What a client of SQL Server sends: PRELOGIN, LOGIN7, batches."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

BATCH, REPLY, ATTENTION, LOGIN, PRELOGIN = 0x01, 0x04, 0x06, 0x10, 0x12
LAST, RESET = 0x01, 0x08
PACKET_BYTES = 4096
_HEADER = struct.Struct(">BBHHBB")
HEADER_BYTES = _HEADER.size

ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = range(4)

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS, _FEDERATED, _NONCE, _END = 0, 1, 2, 3, 4, 6, 7, 0xFF
_TDS_7_4 = 0x74000004
_ENGLISH = 0x0409
# Database and language must be had; ANSI defaults and no limit on texts; reading is all we intend.
_USE_DATABASE_AND_LANGUAGE, _ODBC, _READ_ONLY_INTENT = 0xA0, 0x02, 0x20

# A token of an identity, and that a feature follows which says so. Source: [MS-TDS] 2.2.6.4, FEDAUTH.
_EXTENDED, _FEDAUTH, _SECURITY_TOKEN = 0x10, 0x02, 0x01


@dataclass(frozen=True, slots=True)
class Header:
    kind: int
    status: int
    size: int

    @staticmethod
    def read(text: bytes) -> Header:
        """Of the eight bytes before a packet. ValueError where they cannot be one's."""
        kind, status, size, *_ = _HEADER.unpack(text)
        if kind not in (REPLY, PRELOGIN) or size < HEADER_BYTES:
            raise ValueError("this is no packet of a SQL Server")
        return Header(kind, status, size - HEADER_BYTES)


def packets(kind: int, payload: bytes, *, status: int = 0) -> bytes:
    """A message (2.2.3): packets of equal size, the last of them marked."""
    room = PACKET_BYTES - HEADER_BYTES
    pieces = [payload[first : first + room] for first in range(0, len(payload), room)] or [b""]
    sent = bytearray()
    for number, piece in enumerate(pieces, 1):
        flags = (LAST if number == len(pieces) else 0) | (status if number == 1 else 0)
        sent += _HEADER.pack(kind, flags, len(piece) + HEADER_BYTES, 0, number % 256, 0) + piece
    return bytes(sent)


def prelogin(encryption: int, *, is_federated: bool = False) -> bytes:
    """2.2.6.5: which options there are and where, then their values. `is_federated`: a token logs in."""
    options = {
        _VERSION: bytes(6),
        _ENCRYPTION: bytes((encryption,)),
        _INSTANCE: b"\0",
        _THREAD: bytes(4),
        _MARS: b"\0",
    }
    if is_federated:
        options[_FEDERATED] = b"\1"
    place, table, values = 5 * len(options) + 1, b"", b""
    for option, value in options.items():
        table += struct.pack(">BHH", option, place + len(values), len(value))
        values += value
    return table + bytes((_END,)) + values


def encryption_of(reply: bytes) -> int:
    """What a server's PRELOGIN says of encryption. ValueError where it says nothing."""
    value = _option(reply, _ENCRYPTION)
    if not value:
        raise ValueError("its PRELOGIN says nothing of encryption")
    return value[0]


def federation_of(reply: bytes) -> tuple[bool, bytes]:
    """Whether a server's PRELOGIN expects a token, and what must come back with it."""
    return _option(reply, _FEDERATED) == b"\1", _option(reply, _NONCE)


def _option(reply: bytes, wanted: int) -> bytes:
    """The value of an option of a PRELOGIN, empty where it is not there."""
    place = 0
    while place + 5 <= len(reply) and reply[place] != _END:
        option, start, size = struct.unpack_from(">BHH", reply, place)
        if option == wanted:
            return reply[start : start + size]
        place += 5
    return b""


@dataclass(frozen=True, slots=True)
class Login:
    """With a `token` there is neither user nor password; `echoes` and `nonce` are as the server's PRELOGIN
    said."""

    user: str
    password: str
    database: str
    server: str
    is_read_only: bool
    token: str = field(default="", repr=False)
    echoes: bool = False
    nonce: bytes = b""


_EXTENSION = 5
"""The place among the texts that points to features."""


def login(who: Login) -> bytes:
    """2.2.6.4: fixed fields, then places and lengths (in characters), then the texts."""
    head = struct.pack(
        "<IIIIIBBBBiI",
        _TDS_7_4, PACKET_BYTES, 0, 0, 0, _USE_DATABASE_AND_LANGUAGE, _ODBC,
        _READ_ONLY_INTENT if who.is_read_only else 0, _EXTENDED if who.token else 0, 0, _ENGLISH,
    )  # fmt: skip
    texts = [
        _text("tidegate"), _text(who.user), _hidden(who.password), _text("tidegate"), _text(who.server), b"",
        _text("tidegate"), b"", _text(who.database),
    ]  # fmt: skip
    place, table, values = 94, b"", b""
    for number, text in enumerate(texts):
        if number == _EXTENSION and who.token:
            # Four bytes that say where the features are: behind all texts.
            table += struct.pack("<HH", place + len(values), 4)
            values += struct.pack("<I", place + sum(map(len, texts)) + 4)
        else:
            table += struct.pack("<HH", place + len(values), len(text) // 2)
            values += text
    end = place + len(values)
    # The client's hardware address, then SSPI, a file to attach, a new password, a longer SSPI: none.
    table += bytes(6) + struct.pack("<HHHHHHI", end, 0, end, 0, end, 0, 0)
    features = _features(who) if who.token else b""
    return struct.pack("<I", end + len(features)) + head + table + values + features


def _features(who: Login) -> bytes:
    """The token, as the one feature."""
    text = _text(who.token)
    said = bytes((_SECURITY_TOKEN << 1 | who.echoes,)) + struct.pack("<I", len(text)) + text + who.nonce
    return struct.pack("<BI", _FEDAUTH, len(said)) + said + bytes((_END,))


def batch(statement: str) -> bytes:
    """2.2.6.7 with its headers (2.2.5.3): no transaction, one request at a time."""
    return struct.pack("<IIHQI", 22, 18, 2, 0, 1) + _text(statement)


def _text(text: str) -> bytes:
    return text.encode("utf-16-le")


def _hidden(password: str) -> bytes:
    """Not encrypted, merely turned about: that is for TLS to do."""
    return bytes((byte << 4 & 0xF0 | byte >> 4) ^ 0xA5 for byte in _text(password))
