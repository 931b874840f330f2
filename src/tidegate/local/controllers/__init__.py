"""The controllers of the built-in kinds, each in the loop of `controller.py`; `run.py` lists them."""
