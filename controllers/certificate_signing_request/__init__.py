"""Approves, signs and clears away certificate signing requests."""
