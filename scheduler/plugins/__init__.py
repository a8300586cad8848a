"""Core: the plug-ins, one a file; registry.py is the table of them."""
