"""Several hosts that work on one picture: how they meet, and how the pool reaches the others.

One of them has the terminal: the pool and the files. The others serve: they start workers for it
and pass on what pool and workers send one another. Nothing here knows what those messages are.
"""
