"""The storm (`make torture`): real `seek` processes that are killed, paused, starved of disk and given damaged files.

Not part of the package that users install. One file per kind of scenario; `python -m torture --help` from `tests/`.
"""

KINDS = ("kills", "damage", "flips", "foreign", "pause", "disk", "together", "fuzz", "reported")
