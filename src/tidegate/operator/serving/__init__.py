"""What the leading operator serves over TLS: the stream of metrics, and explanations."""
