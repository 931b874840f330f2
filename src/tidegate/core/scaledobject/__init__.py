"""The decision about a ScaledObject: zero, one or idle, what its HPA is told, and why."""
