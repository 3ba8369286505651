"""Pictures and latents as files: what their bytes are, and how they come to be complete."""
