"""Core: how `kubectl get` lays out each kind: COLUMNS and a row, one file a kind. Start with registry.py."""
