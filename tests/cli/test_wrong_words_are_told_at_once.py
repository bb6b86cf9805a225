"""Wrong words are told before torch is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seekcli.errors import BadInput
from seekcli.resolve import device

# What is wrong -> what the line must name.
BAD_INPUTS = {
    "train --model resnet21-to-32": "resnet20-to-32",
    "train --data cifar11": "--data",
    "train --recipe nope": "recipe",
    "train --condition lss": "--condition",
    "train --set train.epoch=3": "train.epochs",
    "train --set train.epochs=x": "train.epochs",
    "train --precision fp8": "--precision",
    "train --k 0": "--k",
    "train --schedule nope": "--schedule",
    "train --seeds 0": "--seeds",
    "train --device nonsense": "--device",
    "train --init-from nothing": "--init-from",
    "train --dry-run --condition lss": "--condition",
    "tune --k 0": "tune.k",
    "grid plan missing.toml": "missing.toml",
    "grid run bad.toml": "bad.toml",
    "export nothing --to x": "nothing",
    "evaluate nothing --data digits": "nothing",
    "compare nowhere": "nowhere",
    "list runs --out nowhere": "nowhere",
    "report nowhere": "nowhere",
    "train --data photos": "folder:photos",
    "train --data folder:nowhere": "No such file",
    "train --condition nope": "--condition",
    "remove nothing --yes": "nothing",
    "map --data folder:nowhere": "No such file",
    "map --model resnet21-to-32": "resnet20-to-32",
    "flops --model resnet21-to-32": "resnet20-to-32",
}
# One fresh interpreter for all of them: where one imports torch, it and those after it are named.
CODE = """
import contextlib, io, json, sys
HEAVY = {"torch", "sklearn", "timm", "scipy", "pandas", "matplotlib"}
from seekcli.cli.app import app
found = {}
for line in json.loads(sys.argv[1]):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        try:
            app(line.split(), prog_name="seek")
        except SystemExit as ended:
            code = ended.code
    found[line] = [code, err.getvalue(), sorted(HEAVY & set(sys.modules))]
print(json.dumps(found))
"""


def test_no_torch_is_imported_for_a_wrong_word(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "bad.toml").write_text("[settings\n", encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{CODE}", json.dumps([*BAD_INPUTS])],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {line: heavy for line, (_, _, heavy) in found.items() if heavy} == {}
    assert {line: code for line, (code, _, _) in found.items() if code != 2} == {}
    assert {line: said for line, (_, said, _) in found.items() if BAD_INPUTS[line] not in said} == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml", "photos"]


def test_without_a_driver_a_device_is_refused_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process torch may be there already: it is taken out, and asking for it again would be an error."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(device, "has_no_driver", lambda: True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "meta_path", [])
    for name, said in (("cuda:9", "no CUDA device here"), ("cuda", "no CUDA device here"), ("mps", "macOS")):
        with pytest.raises(BadInput, match=f"--device {name}: .*{said}"):
            device.check_device(name)


@pytest.mark.slow
def test_a_map_needs_torch_and_not_its_compiler() -> None:
    code = "import sys; from seekcli.cli.app import app\ntry: app(['map'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch._dynamo', 'sympy', 'timm', 'torchvision', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
