"""Streams of pods: commands, attached terminals and forwarded ports, over websockets and SPDY."""
