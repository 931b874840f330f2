"""The metadata server of Google's machines and of GKE's pods: the token of the account that runs there.

Source: Google, "About VM metadata", "Authenticate workloads using service accounts"; GKE, "About Workload
Identity Federation for GKE".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings, no_proxy
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.identities.gcp.exchange import Purpose, Sent, exchanged, request_of, token_of
from tidegate.kit.systems.http import encoded

_HOST = "metadata.google.internal"
_FLAVOR = ("Metadata-Flavor", "Google")
_NAME = "metadata server"

_STEP = (
    "check that the machine has a service account, or, with Workload Identity, that the autoscaler's "
    "ServiceAccount may use one"
)
_NOWHERE = (
    "there is no metadata server here: set GOOGLE_APPLICATION_CREDENTIALS, or run "
    "`gcloud auth application-default login`"
)


class MetadataServer:
    """What the machine says of itself. `environment` may name another host, as Google's libraries take it."""

    def __init__(self, surroundings: Surroundings, environment: Mapping[str, str]) -> None:
        self._surroundings = replace(surroundings, proxy_of=no_proxy)
        host = environment.get("GCE_METADATA_HOST") or environment.get("GCE_METADATA_ROOT") or _HOST
        self._root = f"http://{host}/computeMetadata/v1"

    async def token(self, scope: str) -> Granted[str]:
        """The default account's. It is kept there, too: what comes may soon be over."""
        purpose = Purpose("get an access token for the machine's service account", _STEP)
        path = f"/instance/service-accounts/default/token?{encoded((('scopes', scope),))}"
        sent = Sent(self._root + path, headers=(_FLAVOR,))
        return token_of(await self._asked(sent, purpose), request_of(sent, purpose, _NAME))

    async def project(self) -> str:
        purpose = Purpose("find the machine's project", "name the project in the trigger")
        response = await self._asked(Sent(f"{self._root}/project/project-id", headers=(_FLAVOR,)), purpose)
        return response.body.decode(errors="replace").strip()

    async def _asked(self, sent: Sent, purpose: Purpose) -> Response:
        try:
            response = await exchanged(sent, purpose, self._surroundings, _NAME)
        except Unreachable as error:
            if error.retry_after_s is not None or error.answer[:1].isdigit():
                raise
            raise _nowhere(purpose, error.on, error.answer) from error
        if response.headers.get(_FLAVOR[0]) != _FLAVOR[1]:
            # Another server has that name here: what it says is nobody's token.
            raise _nowhere(purpose, self._root.removesuffix("/computeMetadata/v1"), "it is not Google's")
        return response


def _nowhere(purpose: Purpose, on: str, answer: str) -> TidegateError:
    return Unreachable(purpose.attempted, on=on, answer=answer, next_step=_NOWHERE)
