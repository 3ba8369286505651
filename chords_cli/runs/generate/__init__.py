"""Makes images and videos from prompts, and goes on where an earlier run ended.

What only a comparison needs does not belong here.
"""
