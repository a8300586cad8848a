"""The programs that a fake container pretends to have."""
