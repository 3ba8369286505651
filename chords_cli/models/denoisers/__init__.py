"""Whether a model's denoiser can do what a preset asks of it: step caches, kinds of attention.

Nothing here imports diffusers: what it can do is read in its source.
"""
