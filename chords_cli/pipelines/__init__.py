"""Unmodified diffusers pipelines as cores: the only package that imports diffusers.

Processes and messages do not belong here, and presets only as the specification in `load`.
"""
