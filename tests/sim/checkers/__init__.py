"""Promises, one a file. Each checker watches the world from outside and asserts; none steers it."""
