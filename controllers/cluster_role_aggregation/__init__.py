"""Fills in ClusterRoles that are made of others: view, edit, admin and those of users."""
