"""What the place where a program is installed brings: certificate authorities, client libraries."""
