"""Unmodified diffusers pipelines as cores: the only package that imports diffusers."""
