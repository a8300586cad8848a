"""See README.md of the package."""
