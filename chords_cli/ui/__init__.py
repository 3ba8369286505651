"""What users see: the console, which is the only printer, and how values are written.

Live output, tables and the comparison's page have their own folders; nothing here runs a model.
"""
