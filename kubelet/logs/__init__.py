"""Container logs: reading them from their end, following them, and turning them over when they are full."""
