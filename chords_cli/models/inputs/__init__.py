"""Which pictures and videos a pipeline takes, and what they change of its loop; read from source.

Files themselves do not belong here: nothing is opened.
"""
