"""The cluster's names."""
