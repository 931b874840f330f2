import base64

import pytest

from tidegate.api.triggers import AuthenticationRef, Trigger
from tidegate.auth.resolve import Options, resolve
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
)


class World:
    """A lookup made of dictionaries; `errors` are raised for the key they stand under."""

    def __init__(self):
        self.objects = {}
        self.errors = {}

    def get(self, resource, namespace, name):
        if error := self.errors.get((resource, namespace, name)):
            raise error
        return self.objects.get((resource, namespace, name))

    def secret(self, name, namespace="shop", **values):
        encoded = {
            key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
            for key, value in values.items()
        }
        self.objects[(SECRETS, namespace, name)] = {"metadata": {"name": name}, "data": encoded}

    def config_map(self, name, namespace="shop", **values):
        self.objects[(CONFIG_MAPS, namespace, name)] = {"metadata": {"name": name}, "data": values}

    def authentication(self, name, spec, namespace="shop"):
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        self.objects[(TRIGGER_AUTHENTICATIONS, namespace, name)] = body

    def cluster_authentication(self, name, spec):
        body = {"metadata": {"name": name}, "spec": spec}
        self.objects[(CLUSTER_TRIGGER_AUTHENTICATIONS, "", name)] = body


@pytest.fixture
def world():
    return World()


@pytest.fixture
def resolved(world):
    """Resolves a trigger in namespace shop against the world."""

    def run(ref="", metadata=None, *, kind=None, template=None, container="", options=None):
        trigger = Trigger(
            type="redis",
            metadata=metadata or {},
            authentication_ref=AuthenticationRef(name=ref, kind=kind) if ref else None,
        )
        return resolve(
            world, "shop", trigger, template, container, options or Options(cluster_namespace="keda")
        )

    return run


@pytest.fixture
def pod():
    """A pod template whose containers have these lists of variables."""

    def make(*env, env_from=(), **others):
        containers = [{"name": "main", "env": list(env), "envFrom": list(env_from)}]
        containers += [{"name": name, "env": list(variables)} for name, variables in others.items()]
        return {"spec": {"containers": containers}}

    return make
