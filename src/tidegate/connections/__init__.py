"""One adapter per system: it answers lists of questions. The only home of client libraries."""
