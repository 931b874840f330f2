"""SQL Server: one connection per server, one batch after the other, spoken as [MS-TDS] says.

`channel.py` is the connection and its TLS, `messages.py` what we send, `tokens.py` and `values.py` what comes
back, `session.py` the adapter. No client library is needed: what there is in Python either brings a driver
manager, or blocks, dials where the server says, and cannot check a certificate.
Section numbers are those of https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.mssql import MssqlServer


def connect(server: MssqlServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.mssql.session import MssqlConnection

    return MssqlConnection(server, surroundings)
