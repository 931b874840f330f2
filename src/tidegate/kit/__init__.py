"""All that a scaler's author imports: settings, questions, readers, and the systems' values."""
