"""The way to the API: informers that read it, and the one writer per object."""
