"""The kubelet's HTTPS port. Start with README.md."""
