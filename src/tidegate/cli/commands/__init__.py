"""The commands, one file each, imported when called; a file here is the registration."""
