"""A stand-in for a component: what the launcher starts in its own tests."""
