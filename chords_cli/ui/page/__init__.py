"""Makes `compare.html` from a comparison's record.

Templates and what they need belong here; measuring and drawing pictures do not.
"""
