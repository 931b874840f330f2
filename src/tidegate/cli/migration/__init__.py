"""What a move from KEDA would change on a cluster: read from it, never written."""
