"""Shell: `python -P -m proxy`."""

from proxy.main import main

main()
