"""Turns the events of a run or a download into a live panel, bars or plain lines.

Nothing here knows records or anything after the last event; finished results belong to `views`.
"""
