"""Shell: `python -P -m kubelet`."""

from kubelet.main import main

main()
