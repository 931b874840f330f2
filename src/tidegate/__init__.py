"""Event-driven autoscaling that speaks KEDA, on Kubernetes and without it."""

__version__ = "0.1.0"
