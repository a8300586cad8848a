"""The volumes of a node's pods: the files they hold, and where those lie. Start with README.md."""
