"""Deletes Jobs some time after they finished."""
