"""What the triggers of an object say together: each active, inactive or unknown; fallback; formula."""
