"""Pictures, videos and latents as files: their bytes, their metadata, and their distances.

`runs` decides which files a run makes and when; that does not belong here.
"""
