"""kl: kubectl's verbs in Python, one a file. Start with README.md; `cli.main.main` is the command."""
