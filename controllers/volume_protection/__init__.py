"""Keeps claims that pods use, and volumes that are bound, until that is over."""
