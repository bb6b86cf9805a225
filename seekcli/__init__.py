"""seekcli: train two nested networks in one run. `seek --help` lists the commands."""

__version__ = "0.1.0"
