"""The options of a run as users give them: one annotated field each.

What of them becomes an argument of the pipeline's call belongs here; resolving the others does not.
"""
