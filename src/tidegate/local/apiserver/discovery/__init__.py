"""What the server says of itself: groups and resources, OpenAPI, health and version."""
