"""Which proxy a URL is asked through."""

from __future__ import annotations

import pytest

from tidegate.runtime.proxies import environment_proxy

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://a.org/", ""),
        ({"HTTP_PROXY": PROXY}, "http://a.org/", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://a.org/", ""),
        ({"https_proxy": "proxy:3128"}, "https://a.org/", PROXY),
        ({"HTTP_PROXY": PROXY, "http_proxy": "http://other"}, "http://a.org/", PROXY),
        ({"HTTP_PROXY": " "}, "http://a.org/", ""),
        ({"HTTP_PROXY": PROXY}, "http://localhost:9090/", ""),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1/", ""),
        ({"HTTP_PROXY": PROXY}, "http://[::1]/", ""),
    ],
)
def test_a_scheme_has_its_proxy(environment: dict[str, str], url: str, proxy: str) -> None:
    assert environment_proxy(environment)(url) == proxy


@pytest.mark.parametrize(
    ("entry", "url", "is_direct"),
    [
        ("*", "http://a.org/", True),
        ("a.org", "http://a.org/", True),
        ("a.org", "http://A.org./", True),
        ("a.org", "http://b.a.org/", True),
        ("a.org", "http://ba.org/", False),
        (".a.org", "http://b.a.org/", True),
        (".a.org", "http://a.org/", False),
        ("*.a.org", "http://b.a.org/", True),
        ("b.org, a.org", "http://a.org/", True),
        ("a.org:8080", "http://a.org:8080/", True),
        ("a.org:8080", "http://a.org/", False),
        ("a.org:80", "http://a.org/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://a.org/", False),
        ("10.1.2.3", "http://10.1.2.3:9/", True),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("[fd00::1]:80", "http://[fd00::1]/", True),
        ("", "http://a.org/", False),
        (".svc,.cluster.local", "http://web.shop.svc/", True),
    ],
)
def test_no_proxy_names_hosts_that_are_asked_directly(entry: str, url: str, is_direct: bool) -> None:
    asked = environment_proxy({"HTTP_PROXY": PROXY, "NO_PROXY": entry})(url)
    assert asked == ("" if is_direct else PROXY)
