"""A WebSocket of aiohttp's, of either side, as messages."""

from __future__ import annotations

from aiohttp import ClientWebSocketResponse, WSMsgType, web


class AiohttpSocket:
    """Messages of one WebSocket; pings and pongs are aiohttp's."""

    def __init__(self, socket: web.WebSocketResponse | ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> bytes | str | None:
        """The next message; None when the socket has ended, however."""
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            text: bytes | str = message.data
            return text
        return None

    async def send(self, message: bytes) -> None:
        """Returns when it is on its way: a peer that does not read holds us up, and nobody else."""
        await self._socket.send_str(message.decode())
