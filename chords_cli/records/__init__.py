"""The JSON that the program writes to stdout (`--json`) and into files, as frozen types.

How the numbers are calculated and how they are shown does not belong here.
"""
