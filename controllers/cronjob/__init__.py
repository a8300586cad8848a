"""Jobs at the times of a schedule."""
