"""Makes the same picture in several ways and measures them.

Arms, measurements and scores belong here; tables and the page do not.
"""
