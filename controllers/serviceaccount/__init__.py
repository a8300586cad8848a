"""Gives every namespace a ServiceAccount called default."""
