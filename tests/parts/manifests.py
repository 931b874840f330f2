"""Manifests that several end-to-end tests apply."""

from __future__ import annotations


def sleepers(name: str, replicas: int) -> str:
    """A Deployment whose pods sleep and end within a second."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: c, image: any, command: [sleep, "3600"]}}]
"""
