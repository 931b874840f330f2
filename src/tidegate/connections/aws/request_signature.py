"""Requests over HTTP to a service of AWS that speaks somebody else's API: signed, with keys of the moment."""

from __future__ import annotations

from tidegate.base.errors import Denied, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.clocks import clock_fault
from tidegate.connections.aws.error_codes import EXPIRED, error_code
from tidegate.connections.aws.login import Login, Signer
from tidegate.connections.aws.places import is_region
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.kit.systems.http import HttpServer


class RequestSignature:
    """The signature of the requests to one server."""

    def __init__(self, server: HttpServer, surroundings: Surroundings) -> None:
        signature = server.login.signature
        assert signature is not None
        self._server = server
        self._region = signature.login.region
        self._login = Login(signature.login, surroundings, server.label())
        self._signer = Signer(signature.login.keys, signature.service, self._region)

    @property
    def session_token(self) -> str:
        """What goes with the keys of the moment, "" for keys that last. Refusals of AWS repeat it."""
        return self._signer.keys.session_token

    async def ready(self) -> Signer:
        """Signs with keys that are good now, or the error that says why there are none."""
        if not is_region(self._region):
            answer = "awsRegion is no region's name"
            raise Misconfigured("sign the request", on=self._server.label(), answer=answer)
        try:
            self._signer.keys = await self._login.keys()
        except Denied as error:
            # Whoever gets no keys gets none for any question of the server.
            raise failures.Unauthorized(
                error.attempted, on=error.on, answer=error.answer, next_step=error.next_step
            ) from error
        return self._signer

    def may_renew(self, response: Response) -> bool:
        """Of a refusal, whether it was for keys that are too old, and others may do better. Raises where it
        was for the clock."""
        code = error_code(response, None)
        clock = clock_fault(code, response.headers)
        if clock:
            raise failures.Unauthorized(
                "sign the request",
                on=self._server.label(),
                answer=f"{code}: {clock}",
                next_step="set this machine's clock",
            )
        return EXPIRED.search(code) is not None and self._login.forget(self._signer.keys)
