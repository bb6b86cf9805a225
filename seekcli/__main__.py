"""`python -m seekcli` is `seek`."""

from seekcli.cli.app import main

if __name__ == "__main__":
    main()
