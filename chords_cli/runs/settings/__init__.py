"""Turns what the user asked for into complete, checked `Settings`.

Everything that can be refused before a model loads belongs here; running does not.
"""
