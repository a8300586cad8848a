"""Containers as local processes, each pod's owned by a shim. Start with README.md."""
