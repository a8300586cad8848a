"""The rules for kinds that make pods. Start with ../README.md."""
