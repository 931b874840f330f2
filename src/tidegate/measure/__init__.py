"""Rounds: what is due is asked once, one list per server, and the last reading is kept."""
