"""Binds claims to volumes, and says of both how far that is."""
