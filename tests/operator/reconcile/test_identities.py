"""An identity that nothing can log in with yet makes its trigger unknown, and says so; the others go on."""

from __future__ import annotations

from typing import Any

from parts.cluster import Cluster, operated, redis
from tidegate.kube.resource import SCALED_OBJECTS, TRIGGER_AUTHENTICATIONS

DATABASE = {
    "type": "postgresql",
    "metadata": {
        "host": "db",
        "port": "5432",
        "userName": "u",
        "dbName": "d",
        "sslmode": "require",
        "query": "SELECT 1",
        "targetQueryValue": "1",
    },
    "authenticationRef": {"name": "azure"},
}


@operated(jobs=5)
async def test_a_trigger_with_an_identity_is_unknown_and_says_so_while_its_neighbours_scale(
    clock: Any, cluster: Cluster
) -> None:
    identity = {"provider": "azure-workload", "identityId": "client-7"}
    await cluster.create(TRIGGER_AUTHENTICATIONS, "azure", spec={"podIdentity": identity})
    await cluster.deployment()
    await cluster.scaled_object("web", redis(), DATABASE)
    await clock.sleep(5)
    status, _, message = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert status == "False"
    assert "cannot log in with the azure-workload identity client-7 yet" in message
    assert cluster.replicas() == 1
