"""Deletes what lost its owners, and carries out foreground and orphaning deletions."""
