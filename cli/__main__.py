"""Shell: `python -P -m cli`."""

from cli.main import main

main(prog_name="kl")
