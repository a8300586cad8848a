"""Answers on the addresses of Services and passes connections on to their pods. Start with README.md."""
