"""The decision: object, what is seen, readings, memory and now become memory, actions and reasons."""
