"""What the workflow and the Dockerfile copy, call and promise is there. Neither runs here: both are linted by hand."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from container import copied, instructions
from packaging.specifiers import SpecifierSet

from seekcli.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LAST = "python:3.11-slim"


def test_the_dockerfile_copies_what_exists_and_what_dockerignore_lets_through() -> None:
    sources = [*copied("build"), *copied(LAST)]
    assert {"pyproject.toml", "seekcli", "constraints.txt"} <= set(sources)
    assert [name for name in sources if not (ROOT / name).exists()] == []
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == set(sources)


def test_the_image_is_of_a_python_that_the_package_takes() -> None:
    bases = {one.rest.split()[0] for one in instructions() if one.word == "FROM"}
    assert bases == {LAST}
    assert SpecifierSet(PROJECT["requires-python"]).contains("3.11")


def test_the_image_is_two_stages_not_root_and_examined_before_it_is_done() -> None:
    found = instructions()
    words = [one.word for one in found]
    assert words.count("FROM") == 2
    user = words.index("USER")
    assert int(found[user].rest) > 0
    commands = {one.word: json.loads(one.rest) for one in found[user:] if one.rest.startswith("[")}
    assert commands == {"RUN": ["seek", "doctor"], "ENTRYPOINT": ["seek"], "CMD": ["doctor"]}
    assert "doctor" in COMMANDS
    assert "seek" in PROJECT["scripts"]


def pip_lines(*words: str) -> list[str]:
    """What `make setup` would have pip do in a new environment, as a shell reads it."""
    asked = ["make", "-n", "setup", "VENV=nowhere", "PYTHON=python3", *words]
    recipe = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    lines = [line for line in recipe.replace("\\\n", " ").splitlines() if " -m pip install " in line]
    shown = [f"echo {line.partition(' -m ')[2]}" for line in lines]
    return subprocess.run(
        ["sh", "-c", "\n".join(shown)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout.splitlines()


def test_a_setup_without_cuda_asks_the_index_of_cpu_wheels_for_the_pinned_torch_first() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch")]
    usual = pip_lines()
    (line,) = usual
    assert line.endswith(" -c constraints.txt -e .[test]")
    first, *rest = pip_lines("TORCH=cpu")
    assert rest == usual, "and then the same as ever: torch is there, at the version that the constraints ask for"
    assert first.split()[-4:] == ["--index-url", "https://download.pytorch.org/whl/cpu", *pins]
    assert pip_lines("TORCH=cpu", "CPU_WHEELS=https://mirror")[0].split()[-3:] == ["https://mirror", *pins]
    assert "make setup TORCH=cpu" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_another_word_for_torch_is_refused() -> None:
    asked = ["make", "-n", "setup", "TORCH=cuda"]
    refused = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 2
    assert "TORCH=cuda: expected TORCH=cpu" in refused.stderr


def test_torch_comes_from_its_own_index_at_the_version_that_is_tested() -> None:
    (line,) = [one.rest for one in instructions() if one.word == "RUN" and "grep" in one.rest]
    pattern = re.search(r"grep -E '([^']+)'", line)
    assert pattern is not None
    pins = [one for one in (ROOT / "constraints.txt").read_text().splitlines() if re.search(pattern[1], one)]
    assert [pin.partition("==")[0] for pin in pins] == ["torch", "torchvision"]
    wheels = re.search(r"^CPU_WHEELS \?= (\S+)$", MAKEFILE, re.MULTILINE)
    assert wheels is not None
    assert wheels[1] in {one.rest.partition("=")[2] for one in instructions() if one.word == "ARG"}


def test_the_workflow_calls_make_words_that_exist_on_every_python_that_is_named() -> None:
    workflow = yaml.safe_load(WORKFLOW)
    job = workflow["jobs"]["test"]
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if fnmatch.fnmatch(line, "*Python :: 3.??")}
    assert set(job["strategy"]["matrix"]["python"]) == named
    words = [step["run"].split() for step in job["steps"] if "run" in step]
    assert [line[:2] for line in words] == [["make", "setup"], ["make", "test"]]
    for line in words:
        assert re.search(rf"^{line[1]}:", MAKEFILE, re.MULTILINE)
        for variable in line[2:]:
            assert f"$({variable.partition('=')[0]})" in MAKEFILE
    (setup,) = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert setup["cache"] == "pip"
    assert [name for name in setup["cache-dependency-path"].split() if not (ROOT / name).is_file()] == []
    assert [step["run"] for step in workflow["jobs"]["container"]["steps"] if "run" in step] == [
        "docker build --tag seekcli .", "docker run --rm seekcli"
    ]  # fmt: skip


def test_make_help_lists_what_needs_more_than_a_laptop() -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    for target in ("test-slurm", "test-ray", "test-cuda", "test-browser"):
        assert any(target in line.split() for line in phony)
        assert re.search(rf"^{target}: .*##.*", MAKEFILE, re.MULTILINE)
