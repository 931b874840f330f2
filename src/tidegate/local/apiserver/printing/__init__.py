"""What `kubectl get` prints: columns and cells of each kind, as Tables."""
