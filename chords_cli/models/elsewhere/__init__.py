"""What a model takes from other repositories and folders: control nets, encoders, adapters.

Which, where on this machine, and whether they fit; nothing here loads them.
"""
