"""What runs containers: the interface, and the runtimes behind it."""
