"""An exchange between processes, tried and timed without a model.

What real cores exchange does not belong here: that is in the folder above.
"""
