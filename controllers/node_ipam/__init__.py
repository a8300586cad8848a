"""Every node gets its own range of addresses for pods: see plan.py."""
