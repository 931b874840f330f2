"""The schemas of our kinds: generated from the types, applied as the API server applies them."""
