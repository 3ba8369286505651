"""Turns plans, presets and records into tables and text for the terminal.

Nothing here listens to events, which belong to `live`, or makes HTML, which belongs to `page`.
"""
