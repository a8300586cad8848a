"""The rules for pods, and for the templates they are made from. Start with ../README.md."""
