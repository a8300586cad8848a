"""Fills the Secrets in which people ask for a ServiceAccount's lasting token, and removes them with it."""
