"""The public API from the client's side: requests, watches, local caches, work queues, events, leases.

See kube/README.md.
"""
