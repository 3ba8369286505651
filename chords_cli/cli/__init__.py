"""The command line: what can be typed, and nothing of what it does."""
