"""Deletes pods whose node is no more."""
