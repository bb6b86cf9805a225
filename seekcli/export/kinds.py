"""The file formats by name, and the packages that each needs. No torch."""

from __future__ import annotations

import importlib.util

from seekcli.errors import BadInput

GRAPH_FORMATS = ("onnx", "pt2")
FORMATS = ("safetensors", *GRAPH_FORMATS)
NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime")}


def require_packages(format_name: str) -> None:
    """Raise BadInput where a package is missing that writes or runs the format."""
    lacking = [name for name in NEEDED.get(format_name, ()) if importlib.util.find_spec(name) is None]
    if lacking:
        raise BadInput(f"--format {format_name} needs {', '.join(lacking)}: pip install 'seekcli[{format_name}]'")
