"""Fetches models and checks fetched ones.

Which models are meant belongs here; how files are transferred does not, but to `hub`.
"""
