"""What every process needs before it knows anything of Kubernetes: clock, logs, tasks, TLS, health.

See kube/README.md.
"""
