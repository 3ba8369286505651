"""Pictures, videos and latents as files: their bytes, their metadata, their distances.

Which files a run makes, and when, is decided in `runs` and does not belong here.
"""
