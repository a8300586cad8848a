"""Chooses a node for every pod that has none. Start with README.md."""
