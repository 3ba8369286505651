"""Examines this machine: what is installed, what it has, and whether a model runs on it.

Every check is one line with what was found and what to do; nothing here prints, fetches or fixes.
"""
