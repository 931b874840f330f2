"""What the server fills in: defaults of the built-in kinds, addresses of Services, status of definitions."""
