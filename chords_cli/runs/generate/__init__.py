"""Makes images and videos from prompts, and continues an earlier run.

What only a comparison needs does not belong here.
"""
