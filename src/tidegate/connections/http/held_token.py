"""The token of a cloud's identity, as one server's login: fetched and kept for the whole program."""

from __future__ import annotations

from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.kit.systems.http import HttpServer


class HeldToken:
    """What the requests to one server carry."""

    def __init__(self, server: HttpServer, surroundings: Surroundings) -> None:
        assert server.login.token is not None
        self._server = server
        self._login = server.login.token
        self._identities = surroundings.identities

    async def token(self) -> str:
        """A token that is good now, or the error that says why there is none. Never for a server that
        would read it in clear text."""
        identity = self._login.identity
        if not self._server.origin.startswith("https:"):
            raise Misconfigured(
                f"log in with the {identity.label()}",
                on=self._server.label(),
                answer="a token goes over https alone",
                next_step="use the server's https address",
            )
        if self._identities is None:
            raise Unsupported(f"log in with the {identity.label()}", answer="no identities are at hand here")
        try:
            return await self._identities.token(identity, self._login.audience)
        except Denied as error:
            raise _of_all(error) from error

    def forget(self, token: str) -> bool:
        """The server refused it; whether another may do better."""
        if self._identities is None:
            return False
        return self._identities.forget(self._login.identity, self._login.audience, token)


def _of_all(error: Denied) -> TidegateError:
    """The same, as a refusal that all questions of the server share."""
    return failures.Unauthorized(error.attempted, on=error.on, answer=error.answer, next_step=error.next_step)
