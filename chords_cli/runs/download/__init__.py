"""Fetches models, and checks those that were fetched.

Which models the user means belongs here; how files are transferred does not, but in `hub`.
"""
