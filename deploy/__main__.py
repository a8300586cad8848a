"""Shell: `python -P -m deploy`."""

from deploy.main import main

main(prog_name="deploy")
