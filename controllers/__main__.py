"""Shell: lets `python -P -m controllers` start the controller manager."""

from controllers.main import main

if __name__ == "__main__":
    main()
