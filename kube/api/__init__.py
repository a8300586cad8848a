"""The vocabulary of the Kubernetes API as pure values: kinds, metadata, errors, selectors, schemas, patches.

Start with kube/README.md. Nothing here does I/O, reads a clock or takes chances.
"""
