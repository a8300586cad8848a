"""Pods as containers of Docker Engine."""
