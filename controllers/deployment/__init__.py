"""Rolls a Deployment's template out: one ReplicaSet a version, scaled up while the others are scaled down."""
