"""Keeps a StatefulSet's pods: each with a name, a place in the order and storage of its own."""
