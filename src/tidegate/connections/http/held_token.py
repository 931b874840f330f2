"""The token of a cloud's identity, as one server's login: fetched and kept for the whole program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.kit.identity import Identity, ServiceAccount
from tidegate.kit.systems.gcp import is_google
from tidegate.kit.systems.http import HttpServer, bearer

if TYPE_CHECKING:
    from tidegate.connections.granting import Granting
    from tidegate.connections.identities import Identities


class HeldToken:
    """What the requests to one server carry."""

    def __init__(self, server: HttpServer, surroundings: Surroundings) -> None:
        assert server.login.token is not None
        self._server = server
        self._login = server.login.token
        self._identities: Granting | None = surroundings.identities
        self._own: Identities | None = None
        if self._identities is None and isinstance(self._login.identity, ServiceAccount):
            # Whoever has the key needs nobody who gives identities.
            from tidegate.connections.identities import Ground, Identities

            self._own = self._identities = Identities(Ground(surroundings))

    async def headers(self) -> dict[str, str]:
        """What logs a request in: the token, and who pays where that must be said."""
        headers = dict([bearer(await self.token())])
        if self._identities is not None and (billed := await self._identities.billed(self._login.identity)):
            headers["x-goog-user-project"] = billed
        return headers

    async def token(self) -> str:
        """A token that is good now, or the error that says why there is none. Never for a server that
        would read it in clear text, nor one of Google's for anybody else: whoever has it may use it. An
        account's own key is its owner's, who may send its tokens anywhere."""
        identity = self._login.identity
        is_googles = isinstance(identity, Identity) and identity.provider == "gcp"
        if is_googles and not is_google(self._server.origin):
            raise Misconfigured(
                f"log in with the {identity.label()}",
                on=self._server.label(),
                answer="its token goes to googleapis.com alone, over https",
                next_step="give the key of a service account for another server",
            )
        is_own_key = isinstance(identity, ServiceAccount)
        if not is_own_key and not self._server.origin.startswith("https:"):
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

    async def close(self) -> None:
        """Safe when never used, and safe twice."""
        if self._own is not None:
            await self._own.close()


def _of_all(error: Denied) -> TidegateError:
    """The same, as a refusal that all questions of the server share."""
    told = failures.Unauthorized(error.attempted, on=error.on, answer=error.answer, next_step=error.next_step)
    told.excerpt = error.excerpt
    return told
