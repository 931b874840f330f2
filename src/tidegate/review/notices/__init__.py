"""What is right and still worth saying: what does nothing, and what was very likely not meant."""
