"""Turns the outputs of cores into files that say how they were made.

Which files there are and what is in them belongs here; when they are written does not.
"""
