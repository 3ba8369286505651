"""What leaves the program as JSON, on stdout (`--json`) and in files, as frozen types.

How the numbers come about and how they are shown does not belong here.
"""
