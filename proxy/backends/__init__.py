"""Ways to make rules come true; userspace.py needs no rights and no kernel tables."""
