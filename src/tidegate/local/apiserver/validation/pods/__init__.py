"""What is refused of a pod specification, wherever it stands."""
