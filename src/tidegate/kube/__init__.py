"""The Kubernetes API as a client: verbs, watches, caches, events, discovery; and answers in its shapes."""
