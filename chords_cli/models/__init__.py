"""Answers questions about a model without loading it: is it here, and does the preset fit it?

Nothing here imports torch or diffusers.
"""
