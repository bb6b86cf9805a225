"""What systems, file servers and tools leave in folders of images. It is never a class and never an image of one."""

from __future__ import annotations

import re

# By name in any case. Hidden ones (.Trashes, .ipynb_checkpoints, ._photo.jpg) need no line here.
SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "@synoresource", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "@recycle_bin", "@__thumb"),  # QNAP
        "~snapshot",  # NetApp
        *("_vti_cnf", "_vti_pvt"),  # FrontPage
        *("$recycle.bin", "$recycle", "system volume information"),  # Windows
        *("__macosx", "network trash folder", "temporary items"),  # macOS
        *("lost+found", "lost.dir"),  # Linux, Android
        "__pycache__",
    }
)
# A class may be called "recycler"; the folders of old Windows and of CVS are written in capitals.
SYSTEM_FOLDERS_AS_WRITTEN = frozenset({"RECYCLER", "RECYCLED", "CVS"})
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini"})
THUMBNAILS = re.compile(r"SYNO(FILE|PHOTO)_THUMB_.*|FOUND\.\d{3}", re.IGNORECASE)


def is_hidden(name: str) -> bool:
    return name.startswith(".")


def is_system(name: str) -> bool:
    """Whether a file or a folder of this name belongs to a system or a tool; hidden ones are told by `is_hidden`."""
    known = name.casefold()
    return (
        known in SYSTEM_FOLDERS
        or known in SYSTEM_FILES
        or name in SYSTEM_FOLDERS_AS_WRITTEN
        or THUMBNAILS.fullmatch(name) is not None
    )
