"""The arithmetic of a HorizontalPodAutoscaler, as Kubernetes' own controller does it: metrics → replicas."""
