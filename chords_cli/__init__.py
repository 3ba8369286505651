"""Chords: one diffusion sample sooner, by solving its ODE on several GPUs at once."""

__version__ = "0.1.0"
