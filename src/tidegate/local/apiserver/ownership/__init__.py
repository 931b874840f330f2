"""Who owns which field: server-side apply, its conflicts, and `metadata.managedFields`."""
