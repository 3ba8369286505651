"""The use cases, one folder each, and what they share: `settings` in, `outputs` out.

No file lies here directly, and nothing here prints or parses a command line.
"""
