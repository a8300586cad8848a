"""Core: the four ways to change an object: JSON patch, JSON merge, strategic merge and apply."""
