"""Presets: one model in one YAML file; its schema, what identifies it, and its error messages.

`sampler.choice` decides how preset and options make a plan, `models` whether the model is on this
machine and fits the preset; neither belongs here.
"""
