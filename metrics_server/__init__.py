"""The extension API server of metrics.k8s.io: what nodes and pods use. Start with README.md."""
