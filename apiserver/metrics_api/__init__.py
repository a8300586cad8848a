"""metrics.k8s.io: what nodes and pods use, from the kubelets. Start with README.md."""
