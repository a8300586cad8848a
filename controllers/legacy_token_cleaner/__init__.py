"""Marks, and later deletes, the Secrets of lasting tokens that nobody uses."""
