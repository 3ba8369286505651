"""What a pipeline computes before its loop: prompts and pictures, encoded once for all cores.

Not what a loop does with them, which belongs to `pipelines/`, nor which parts a core holds
(`pipelines/load/`).
"""
