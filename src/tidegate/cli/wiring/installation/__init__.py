"""What the place where a program is installed brings: authorities, client libraries, extensions."""
