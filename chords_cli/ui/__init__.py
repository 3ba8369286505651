"""What users see: the console, which alone prints, and how values are written.

Live output, tables and the comparison's page have folders of their own; nothing here runs a model.
"""
