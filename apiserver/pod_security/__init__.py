"""The Pod Security Standards: what a pod may not do at which level. Start with checks.py."""
