"""Turns plans, presets and records into tables and text for the terminal.

Nothing here listens to events, as `live` does, or makes HTML, as `page` does.
"""
