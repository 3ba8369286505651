"""Processes: one worker per core, the pool that starts and watches them, and what they exchange.

Nothing here knows presets, files or options.
"""
