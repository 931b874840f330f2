"""A container as a process of this machine: its program, environment, volumes, start and end."""
