"""CloudEvents: what one looks like on the wire, and a queue from which they are sent until they are taken."""
