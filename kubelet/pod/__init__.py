"""Core: what to do for a pod (plan) and what to report of it (status)."""
