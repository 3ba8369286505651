"""Makes the same picture in several ways and measures them.

Arms, measurements and what follows from them belong here; tables and the page do not.
"""
