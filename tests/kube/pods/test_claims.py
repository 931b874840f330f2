"""Volumes that somebody made, and claims for them, on a real control plane and in local mode: kubectl shows
the same. Nobody makes volumes on the real one; here, who wants none says `storageClassName: ""`.
"""

from __future__ import annotations

import json
from typing import Any

from parts.looks import Sides, compare, events, printed, status

FLAGS = ("--hpa-interval", "1")
NAMES = ("of-compared-small", "of-compared-big", "of-compared-labelled", "of-compared-meant")
CLAIMS = ("any", "labelled", "meant", "named", "too-much", "by-a-name-that-is-not-there")


# No claim of another test wants it: a volume of these may not be taken by any that waits elsewhere.
MODES = ["ReadWriteMany"]


def volume(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"kind": "shelf"} if name.endswith("labelled") else {}
    plain = {"accessModes": MODES, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp"}}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": {**plain, **spec}}


def claim(name: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    wanted = {"storageClassName": "", "accessModes": MODES, **spec}
    wanted["resources"] = {"requests": {"storage": size}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}


def begin(sides: Sides) -> None:
    meant = {"claimRef": {"namespace": "compared", "name": "meant"}}
    labelled = {"selector": {"matchLabels": {"kind": "shelf"}}}
    objects = [
        volume(NAMES[2]),
        volume(NAMES[3], **meant),
        claim("labelled", **labelled),
        claim("meant"),
        claim("named", volumeName=NAMES[1]),
        volume(NAMES[1], capacity={"storage": "5Gi"}, persistentVolumeReclaimPolicy="Delete"),
    ]
    for side in sides:
        for body in objects:
            side.cluster.kubectl("apply", "-n", "compared", "-f", "-", stdin=json.dumps(body))
        for name in ("labelled", "meant", "named"):
            side.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", f"pvc/{name}", "--timeout=60s")
        side.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(volume(NAMES[0])))
        for body in (claim("any", "500Mi"), claim("too-much", "50Gi"), claim(CLAIMS[-1], volumeName="none")):
            side.cluster.kubectl("apply", "-n", "compared", "-f", "-", stdin=json.dumps(body))
        side.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/any", "--timeout=60s")


def end(sides: Sides) -> None:
    for side in sides:
        side.cluster.kubectl("delete", "pv", *NAMES, "--wait=false", check=False)
        for name in NAMES:
            side.release("pv", name)


def test_who_gets_which_volume_and_what_becomes_of_it(sides: Sides) -> None:
    notes = "custom-columns=N:.metadata.name,A:.metadata.annotations,F:.metadata.finalizers"
    compare(
        sides,
        *(status("pvc", name) for name in CLAIMS),
        *(status("pv", name) for name in NAMES),
        printed("get", "pvc", "-o", "wide"),
        printed("get", "pv", *NAMES, "-o", "wide"),
        printed("get", "pv", *NAMES, "-o", notes),
        printed("get", "pvc", "-o", notes),
        events(*CLAIMS),
    )
    for side in sides:
        side.kubectl("delete", "pvc", "--all", "--wait=true")
        for name, left in ((NAMES[0], "Released"), (NAMES[1], "Failed")):
            side.cluster.until(
                f"{name} is {left}",
                lambda side=side, name=name, left=left: side.status("pv", name)["phase"] == left,  # type: ignore[misc]
                60,
            )
    compare(sides, printed("get", "pv", *NAMES))
