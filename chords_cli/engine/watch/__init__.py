"""Whether processes live and get on, and who is to blame when one does not.

Nothing here starts a process, and nothing needs torch.
"""
