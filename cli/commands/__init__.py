"""The verbs of kl, one a file; `cli.main` holds the table."""
