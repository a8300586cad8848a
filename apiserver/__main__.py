"""Shell: `python -P -m apiserver`."""

from apiserver.main import main

main()
