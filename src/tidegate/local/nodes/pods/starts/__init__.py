"""How a container of a pod starts: when it may, what it needs, and what is told where it cannot."""
