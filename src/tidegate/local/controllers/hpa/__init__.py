"""The HorizontalPodAutoscaler controller: reads metrics, runs `core.hpa`, writes the scale."""
