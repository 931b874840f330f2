"""Where AWS is: regions, and endpoints that the administrator names in the program's environment.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidegate.base.errors import Misconfigured
from tidegate.kit.systems.http import read_url

_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")


def is_region(text: str) -> bool:
    """Whether a region may be called so: it becomes part of a host's name, and whoever writes it is no
    administrator. Which there are, nobody keeps a list of here."""
    return _REGION.fullmatch(text) is not None


class AwsPlaces:
    """What an environment says of it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def region(self) -> str:
        """The region to ask where none is named, "" for none."""
        return self._environment.get("AWS_REGION") or self._environment.get("AWS_DEFAULT_REGION") or ""

    def endpoint(self, service: str) -> str:
        """The origin that stands in for the service's own, "" for none; `service` as `AWS_ENDPOINT_URL_SQS`
        ends. Misconfigured for what is no URL."""
        for variable in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
            if written := self._environment.get(variable):
                try:
                    return read_url(written).origin
                except ValueError as error:
                    raise Misconfigured("find the service", answer=f"{variable} {error}") from error
        return ""
