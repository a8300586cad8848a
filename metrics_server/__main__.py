"""Shell: `python -P -m metrics_server`."""

from metrics_server.main import main

main()
