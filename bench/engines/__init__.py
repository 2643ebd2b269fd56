"""Each engine is a script of its own, run in its own environment."""
