"""Shell: `python -P -m etcdlite`."""

from etcdlite.main import main

if __name__ == "__main__":
    main()
