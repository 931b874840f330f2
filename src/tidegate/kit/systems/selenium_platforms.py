"""The platforms that Selenium knows, by family: Windows 10 may stand in for Windows 11, not for "windows".

Source: Selenium, `org.openqa.selenium.Platform`.
"""

from __future__ import annotations

_WINDOWS = (
    ("xp", "windows server 2003", "winnt", "windows_nt", "windows nt"),
    ("vista", "windows server 2008", "windows vista"),
    ("windows 7", "win7"),
    ("windows 8", "windows server 2012", "win8"),
    ("windows 8.1", "win8.1"),
    ("windows 10", "win10"),
    ("windows 11", "win11"),
)
_MAC = (
    ("10.6", "snow leopard"),
    ("10.8", "mountain lion"),
    ("10.9", "mavericks"),
    ("10.10", "yosemite"),
    ("10.11", "el capitan"),
    ("10.12", "sierra"),
    ("10.13", "high sierra"),
    ("10.14", "mojave"),
    ("10.15", "catalina"),
    ("11.0", "big sur"),
    ("12.0", "monterey"),
    ("13.0", "ventura"),
    ("14.0", "sonoma"),
    ("15.0", "sequoia"),
)
_UNIX = ("linux", "bsd", "solaris")
_SINGLES = {
    **dict.fromkeys(("mac", "darwin", "macos", "mac os x", "os x"), "mac"),
    **dict.fromkeys(("android", "dalvik"), "android"),
    "any": "",
}


def _families() -> dict[str, str]:
    found = {name: "windows family" for names in _WINDOWS for name in names}
    for version, name in _MAC:
        found |= dict.fromkeys((f"os x {version}", f"macos {version}", name), "mac family")
    return found | dict.fromkeys(_UNIX, "unix family")


_FAMILIES = _families()


def is_same_platform(one: str, other: str) -> bool:
    """Whether two names mean one platform, or two of a family; "any" is none at all."""
    return _meaning(one) == _meaning(other)


def _meaning(name: str) -> str:
    folded = name.strip().casefold()
    return _FAMILIES.get(folded) or _SINGLES.get(folded, folded)
