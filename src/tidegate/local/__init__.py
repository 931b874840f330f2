"""The embedded cluster: an API server, the controllers of the built-in kinds, and a node of processes."""
