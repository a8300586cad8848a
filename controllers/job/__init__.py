"""Runs pods until as many of them as a Job wants have succeeded."""
