"""Services of type LoadBalancer get addresses: see plan.py."""
