"""All that a scaler's author imports: settings, questions, readers, and the systems' values."""

API = "1.1"
"""What packages with triggers of their own are written for. Another first number breaks them, a greater
second one only adds. 1.1: the calls of a round as values (`kit/systems/calls.py`)."""
