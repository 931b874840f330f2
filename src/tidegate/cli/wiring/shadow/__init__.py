"""An operator beside KEDA as a program: what it tells."""
