"""The command line: declares the options and has one thin file a command.

What a command does lies in `runs`, and how it looks in `ui`; neither belongs here.
"""
