"""What would change an object's number: the nearest values, moments and edits, for `explain`."""
