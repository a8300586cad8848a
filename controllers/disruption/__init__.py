"""Keeps what each disruption budget allows up to date."""
