"""Use cases, one a file: what a command does, without knowing terminals or processes."""
