"""An exchange between processes, tried and timed without a model.

What real cores exchange is in the folder above.
"""
