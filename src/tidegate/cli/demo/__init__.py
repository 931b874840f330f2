"""What `tidegate demo` checks by itself."""
