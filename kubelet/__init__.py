"""Runs the pods of one node and reports what became of them. Start with README.md."""
