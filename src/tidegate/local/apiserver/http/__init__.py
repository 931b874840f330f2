"""The API over HTTP: requests in, watches, logs and exec out, and who is let in."""
