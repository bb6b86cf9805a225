"""A torchvision that does not fit its torch is named as that: by every command, on import in Python, and by doctor."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import seekcli
from seekcli.errors import EXIT_RUN_FAILED, unforeseen
from seekcli.torch_pair import explained, misfit

BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")\n'


def other_torchvision(folder: Path, requires: str = "torch (==1.9.0)") -> Path:
    """One that is found before the one that is installed."""
    (folder / "torchvision").mkdir(parents=True)
    (folder / "torchvision" / "__init__.py").write_text(BROKEN)
    facts = folder / "torchvision-0.10.0.dist-info"
    facts.mkdir()
    words = f"Metadata-Version: 2.1\nName: torchvision\nVersion: 0.10.0\nRequires-Dist: {requires}\n"
    (facts / "METADATA").write_text(words)
    return folder


def error_of_import(folder: Path) -> RuntimeError:
    code = compile(BROKEN, str(folder / "torchvision" / "__init__.py"), "exec")
    with pytest.raises(RuntimeError) as caught:
        exec(code, {})
    return caught.value


def test_the_versions_that_do_not_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(other_torchvision(tmp_path)))
    message, code = unforeseen(error_of_import(tmp_path))
    here = metadata.version("torch")
    assert message.startswith(f"torchvision 0.10.0 was built for torch 1.9.0, and here is torch {here}: `pip install")
    assert message.endswith("`seek doctor` shows what is installed")
    assert code == EXIT_RUN_FAILED


def test_one_of_another_build_is_named_though_its_version_fits(tmp_path: Path) -> None:
    assert misfit() is None
    wrapped = ValueError("something")
    wrapped.__cause__ = error_of_import(tmp_path)
    assert "does not load beside torch" in str(explained(wrapped))


def test_other_errors_are_not_laid_at_its_door() -> None:
    assert explained(RuntimeError("torchvision: Dataset not found or corrupted")) is None
    assert "please report it" in unforeseen(RuntimeError("a mistake of ours"))[0]
    assert explained(ModuleNotFoundError("No module named 'x'", name="x")) is None


def test_what_the_package_offers_says_so_on_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(other_torchvision(tmp_path)))

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise error_of_import(tmp_path)

    monkeypatch.setitem(sys.modules, "seekcli.export.load", Broken("seekcli.export.load"))
    with pytest.raises(ImportError, match=r"was built for torch 1\.9\.0"):
        _ = seekcli.load_model


@pytest.mark.slow
def test_commands_end_with_that_line(tmp_path: Path) -> None:
    path = os.pathsep.join([str(other_torchvision(tmp_path / "path")), *sys.path])
    for words in (["train", "--model", "vit-tiny-to-small", "--dry-run"], ["doctor"]):
        command = [sys.executable, "-m", "seekcli", *words]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
        assert done.returncode == 1
        assert "torchvision 0.10.0 was built for torch 1.9.0" in done.stdout + done.stderr
        assert "please report it" not in done.stderr
