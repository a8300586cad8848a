"""Kubernetes' own functions of CEL, one subject a file; each has a table FUNCTIONS."""
