"""Shell: `python -P -m scheduler`."""

from scheduler.main import main

main()
