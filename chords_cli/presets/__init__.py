"""Presets: one model in one YAML file, with its schema, what identifies it, and words for errors.

How a plan is chosen from a preset and options is not decided here but in `sampler.choice`; whether
the model is on this machine and fits the preset, in `models`.
"""
