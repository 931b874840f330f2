"""The settings by which triggers name keys and roles of AWS. They stand in classes that share no base."""

from __future__ import annotations

from typing import Any

from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, deprecated, setting


def access_key_setting(when: str = "") -> Any:
    """`when` is said behind each: `, for MSK IAM`."""
    return setting(
        "awsAccessKeyID",
        "awsAccessKeyId",
        doc=f"Access key{when}.",
        default="",
        sources=(AUTHENTICATION, METADATA, ENVIRONMENT),
        hidden=True,
    )


def secret_key_setting() -> Any:
    sources = (AUTHENTICATION, ENVIRONMENT)
    return setting("awsSecretAccessKey", doc="Its secret.", default="", sources=sources, secret=True)


def session_token_setting() -> Any:
    sources = (AUTHENTICATION,)
    return setting("awsSessionToken", doc="With temporary keys.", default="", sources=sources, secret=True)


def role_setting(when: str = "") -> Any:
    return setting("awsRoleArn", doc=f"Role to assume{when}.", default="", sources=(AUTHENTICATION,))


def owner_setting(doc: str) -> Any:
    return deprecated(
        "identityOwner",
        message="'identityOwner' is deprecated and is removed in v3 - use podIdentity instead",
        doc=doc,
        default="",
    )
