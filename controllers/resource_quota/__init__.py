"""Counts what is used of each quota."""
