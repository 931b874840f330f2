"""Objects in memory and in SQLite: versions, the journal, the lock on the directory."""
