"""Notices nodes that fall silent, and taints nodes by what their conditions say."""
