"""What users see: one sink, and pictures of plans, runs and presets made from plain data."""
