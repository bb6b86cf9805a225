"""The cache of decoded images: whole, or made again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seekcli import files
from seekcli.data.images.cache import cache_folder, cached
from seekcli.errors import RunFailed


class Builder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, torch.Tensor]:
        self.calls += 1
        return {"images": torch.arange(48, dtype=torch.uint8).view(2, 2, 3, 4), "labels": torch.tensor([1, 0])}


def cache_file(home: Path) -> Path:
    (path,) = (home / ".cache" / "seekcli").rglob("*.safetensors")
    return path


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_cached_is_not_built_again(home: Path) -> None:
    build = Builder()
    first, second = cached("key", build), cached("key", build)
    assert build.calls == 1
    assert same(first, second)
    assert cache_file(home).name == "key.safetensors"


def test_another_key_is_built() -> None:
    build = Builder()
    cached("one", build)
    cached("other", build)
    assert build.calls == 2


@pytest.mark.parametrize("damage", ["cut", "emptied", "one pixel", "other file"])
def test_a_damaged_cache_is_built_again_and_replaced(home: Path, damage: str) -> None:
    build = Builder()
    good = cached("key", build)
    path = cache_file(home)
    content = path.read_bytes()
    pixel = content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]
    path.write_bytes({"cut": content[:-7], "emptied": b"", "one pixel": pixel, "other file": b"PK" * 500}[damage])
    assert same(cached("key", build), good)
    assert build.calls == 2
    assert same(cached("key", build), good)
    assert build.calls == 2


def test_a_cache_that_cannot_be_written_costs_a_warning(home: Path) -> None:
    (home / ".cache").write_text("no folder")
    build = Builder()
    with pytest.warns(UserWarning, match="will be decoded again next time"):
        tensors = cached("key", build)
    assert same(tensors, build())


def test_a_full_disk_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, writer: object) -> None:
        raise RunFailed(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(files, "write_with", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        cached("key", Builder())
    assert list(home.rglob("*.safetensors")) == []


def test_the_cache_is_where_the_system_keeps_caches(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/seekcli")
    for given in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert cache_folder() == home / ".cache" / "seekcli"
