"""Answers questions about a model without loading it: is it present, and does the preset fit it?

Nothing here imports torch or diffusers.
"""
