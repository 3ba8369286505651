"""The command line: declares the options and has one thin file per command.

What a command does is in `runs`, and how its results look is in `ui`; neither belongs here.
"""
