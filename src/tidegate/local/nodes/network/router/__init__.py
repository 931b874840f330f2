"""The router: a program beside the control plane that holds the networks of all pods, and outlives it."""
