"""Pictures and videos that a run starts from: read, checked and fitted to the pipeline's call.

What a file looks like to a model belongs to `pipelines/`, not here.
"""
