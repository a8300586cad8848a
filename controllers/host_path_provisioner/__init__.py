"""Makes volumes that are folders of this machine, and removes them when they are released."""
