"""Which samples the cores make, when each core begins the next one, and what becomes of outputs.

Nothing here starts a process or speaks to one but through what the folder above has.
"""
