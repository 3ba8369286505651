"""Presets: one model in one YAML file, with its schema, its identity, and texts for errors.

How preset and options make a plan is not decided here but in `sampler.choice`; whether the model is
on this machine and fits the preset, in `models`.
"""
