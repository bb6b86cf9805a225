"""A wheel works outside the repository, and the pinned versions are those that `pyproject.toml` allows."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from container import copied
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from parsed_sources import nodes_of

import seekcli
from seekcli.config.value_types import TRACKERS
from seekcli.export.kinds import NEEDED

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned() -> dict[str, str]:
    """constraints.txt as {canonical name: version}."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


EXTRAS = PROJECT["optional-dependencies"]
WANTED = list(dict.fromkeys([*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]))
WANTED = [one for one in WANTED if not one.startswith("seekcli")]


@pytest.mark.parametrize("wanted", WANTED)
def test_every_dependency_is_pinned_within_its_range(wanted: str) -> None:
    requirement = Requirement(wanted)
    version = pinned()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} does not allow {version}"
    assert str(requirement.specifier), "a range has a lower end"


# What an engine imports, and the extra that brings it.
ENGINES = {"submitit": "slurm", "ray": "ray"}
# Modules of torch that import another library, and one that comes with the library it is a part of.
PART_OF = {"torch.utils.tensorboard": "tensorboard", "torch.utils.tensorboard.summary": "tensorboard"}
PART_OF |= {"pydantic_core": "pydantic"}
# Distributions whose module has another name.
MODULE_OF = {"pillow": "PIL", "scikit-learn": "sklearn"}


def test_what_is_declared_is_imported_and_what_is_imported_is_declared() -> None:
    imported = set()
    for path in (ROOT / "seekcli").rglob("*.py"):
        for node in nodes_of(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {PART_OF.get(name, name.partition(".")[0]) for name in names}
    declared = {Requirement(wanted).name for wanted in PROJECT["dependencies"]}
    modules = {MODULE_OF.get(name, name) for name in declared} | {"onnxruntime", *ENGINES, *TRACKERS}  # of extras
    assert imported - set(sys.stdlib_module_names) - {"seekcli"} == modules


def test_every_extra_has_code_that_asks_for_it() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"onnx", *ENGINES.values(), *TRACKERS, "test", "dev"}
    for package, extra in ENGINES.items():
        assert [Requirement(wanted).name for wanted in extras[extra]] == [package]
        asked = [path.name for path in (ROOT / "tests").rglob("test_*.py") if f"--engine {extra}" in path.read_text()]
        assert asked, f"no test asks for the extra {extra}"
    libraries = (ROOT / "tests" / "trackers" / "test_libraries.py").read_text(encoding="utf-8")
    for tracker in TRACKERS:  # each imports the library of its own name
        assert [Requirement(wanted).name for wanted in extras[tracker]] == [tracker]
        assert f'importorskip("{tracker}")' in libraries, f"no test asks for the extra {tracker}"
    assert {Requirement(wanted).name for wanted in extras["onnx"]} == set(NEEDED["onnx"])
    assert "seekcli[onnx]" in extras["test"], "what is tested is installed for the tests"


def test_pins_are_public_versions() -> None:
    """A local version (+cpu) is on no package index that a stranger's pip asks."""
    assert {name: version for name, version in pinned().items() if not re.fullmatch(r"[0-9][0-9a-z.]*", version)} == {}


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == seekcli.__version__
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert [author["family-names"] for author in citation["references"][0]["authors"]] == ["Acheli", "Gaaloul"]


# What pip calls to build a wheel, in a process whose current folder is the source.
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy of the source: setuptools leaves build/ and *.egg-info beside what it builds."""
    source, wheels = (tmp_path_factory.mktemp(name) for name in ("source", "wheels"))
    for name in copied("build"):  # what the Dockerfile builds its wheel of is enough
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    command = [sys.executable, "-c", BUILD, str(wheels)]
    subprocess.run(command, cwd=source, check=True, timeout=300, capture_output=True)
    (built,) = wheels.glob("seekcli-*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was unpacked, which is what an installation does."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def outside(installed: Path, folder: Path, *command: str) -> str:
    """Run `command` in `folder` with the installed wheel in place of the repository; its stdout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_is_what_gets_imported(installed: Path, tmp_path: Path) -> None:
    where = outside(installed, tmp_path, sys.executable, "-c", "import seekcli; print(seekcli.__file__)")
    assert Path(where.strip()) == installed / "seekcli" / "__init__.py"


def test_a_wheel_carries_all_of_the_package(installed: Path) -> None:
    expected = {
        path.relative_to(ROOT)
        for pattern in ("*.py", "*.toml", "*.csv", "*.json", "py.typed")
        for path in (ROOT / "seekcli").rglob(pattern)
    }
    found = {path.relative_to(installed) for path in (installed / "seekcli").rglob("*") if path.is_file()}
    assert expected - found == set()
    assert list(installed.glob("seekcli-*.dist-info/licenses/LICENSE"))
    assert not (installed / "tests").exists()


def test_a_wheel_runs_outside_the_repository(installed: Path, tmp_path: Path) -> None:
    (entry_points,) = installed.glob("seekcli-*.dist-info/entry_points.txt")
    assert "seek = seekcli.__main__:main" in entry_points.read_text()
    recipes = {path.stem for path in (ROOT / "seekcli" / "recipes").glob("*.toml")}
    listing = outside(installed, tmp_path, sys.executable, "-m", "seekcli", "list", "recipes")
    assert recipes
    assert all(recipe in listing for recipe in recipes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_pip_installs_the_wheel_and_its_command(wheel: Path, tmp_path: Path) -> None:
    target, here = tmp_path / "target", tmp_path / "here"
    here.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True, timeout=300)
    assert "train" in outside(target, here, str(target / "bin" / "seek"), "--help")
    assert list(here.iterdir()) == []
