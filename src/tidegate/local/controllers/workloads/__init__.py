"""Controllers that keep Pods running: Deployments and their ReplicaSets."""
