"""What is refused: fields and rules of the built-in kinds, of definitions and of custom resources."""
