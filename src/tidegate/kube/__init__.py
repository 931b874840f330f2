"""The Kubernetes API as a client: verbs, watches, caches, events, discovery."""
