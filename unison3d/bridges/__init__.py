"""Bridges to toolboxes that people already use. Nothing in the package imports them.

A bridge is switched on by the config that wants it:

>>> custom_imports = dict(imports=['unison3d.bridges.mmdet3d'])
"""
