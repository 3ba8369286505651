"""Turns what cores have made into files that say how they were made.

Which files there are and what is in them belongs here; when they are made does not.
"""
