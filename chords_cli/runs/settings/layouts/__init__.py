"""Which devices a run uses for what: groups, cores, members, and whether all of it fits.

Nothing here starts a process or loads a model.
"""
