"""Makes a core's pipeline from a preset's model: which parts, in which dtype, on which device.

How a loaded pipeline is driven along a plan does not belong here.
"""
