"""Processes: one worker a core, the pool that starts and watches them, and what they tell."""
