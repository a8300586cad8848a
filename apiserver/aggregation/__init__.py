"""Groups that other API servers serve, behind this one. Start with README.md."""
