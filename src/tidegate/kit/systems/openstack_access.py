"""The settings by which a trigger of OpenStack says who asks."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, declared, setting
from tidegate.kit.systems.openstack import Keystone, keystone_url, url_problems

_A = (AUTHENTICATION,)


@declared
class OpenstackAccess(Polled):
    """Subclassed by the triggers, which say what is asked."""

    auth_url: str = setting("authURL", doc="URL of Keystone.", sources=_A, hidden=True)
    user_id: str = setting("userID", doc="User.", default="", sources=_A, hidden=True)
    password: str = setting("password", doc="Password.", default="", sources=_A, secret=True)
    project_id: str = setting("projectID", doc="The user's project.", default="", sources=_A, hidden=True)
    credential_id: str = setting(
        "appCredentialID", doc="Application credential.", default="", sources=_A, hidden=True
    )
    credential_secret: str = setting(
        "appCredentialSecret", doc="Its secret.", default="", sources=_A, secret=True
    )

    def check(self) -> Iterator[Problem]:
        yield from url_problems(authURL=self.auth_url)
        if self.user_id and not self.password:
            text = "password must be specified when using userID"
            yield Problem("password", text, "FieldValueRequired")
        if self.credential_id and not self.credential_secret:
            text = "appCredentialSecret must be specified when using appCredentialID"
            yield Problem("appCredentialSecret", text, "FieldValueRequired")
        if self.credential_secret and not self.credential_id:
            text = "appCredentialID must be specified when using appCredentialSecret"
            yield Problem("appCredentialID", text, "FieldValueRequired")

    def keystone(self) -> Keystone:
        """Where tokens come from; an application credential counts before a user."""
        url = keystone_url(self.auth_url)
        if self.credential_id:
            return Keystone(url, credential_id=self.credential_id, credential_secret=self.credential_secret)
        return Keystone(url, self.user_id, self.password, self.project_id)
