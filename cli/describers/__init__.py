"""What `kl describe` prints, one kind a file; `cli.describers.table` holds the table."""
