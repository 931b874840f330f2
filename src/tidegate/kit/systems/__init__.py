"""The server values and questions of each system, one file per system."""
