"""The command line: `main` finds a command in `commands/`; what they share stands in the rooms beside."""
