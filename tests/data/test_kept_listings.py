"""A folder is listed once for one plan, and again for whatever comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tiny import tiny

from seekcli.config.layers import merge
from seekcli.config.settings import DataConfig
from seekcli.data.sets import folder_walk, identity
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.data.sets.sources import data_facts, fingerprint_of
from seekcli.data.sets.summary import summary_ahead
from seekcli.engines.start import Beginning, load_and_build
from seekcli.errors import BadInput
from seekcli.train.progress import Progress


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        (tmp_path / name).mkdir(parents=True)
        for index in range(2):
            Image.new("L", (4, 4), index).save(tmp_path / name / f"{index}.bmp")
    return tmp_path


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a word for each class folder that is walked, and for each file that is read."""
    found: list[str] = []
    walk, hash_file = folder_walk.walk, identity.hash_file
    monkeypatch.setattr(folder_walk, "walk", lambda *words: found.append("walk") or walk(*words))
    monkeypatch.setattr(identity, "hash_file", lambda *words: found.append("read") or hash_file(*words))
    return found


def data_of(root: Path, kind: str) -> DataConfig:
    return merge([("test", {"data.name": f"{kind}:{root}", "data.image_size": 4, "data.rules": 2})]).config.data


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_inside_it_is_listed_and_read_once(photos: Path, looks: list[str], kind: str) -> None:
    data = data_of(photos, kind)
    with listings_kept():
        first = fingerprint_of(data)
        with listings_kept():
            assert (fingerprint_of(data), data_facts(data).train_images) == (first, 4)
        assert summary_ahead(data)
    assert (looks.count("walk"), looks.count("read")) == (4, 8)
    fingerprint_of(data)
    assert looks.count("walk") == 8


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_what_comes_after_sees_every_change(photos: Path, kind: str) -> None:
    data = data_of(photos, kind)
    with listings_kept():
        first = fingerprint_of(data)
        image = photos / "train" / "cat" / "1.bmp"
        image.write_bytes(image.read_bytes()[:-1] + b"x")  # no folder gets another time by that
        assert fingerprint_of(data) == first
        with listings_kept(anew=True):
            assert fingerprint_of(data) != first
        assert fingerprint_of(data) == first
    assert fingerprint_of(data) != first


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_contents_are_put_together_once(photos: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data, asked, contents = data_of(photos, kind), [], identity.read_contents
    monkeypatch.setattr(identity, "read_contents", lambda *words: asked.append("asked") or contents(*words))
    with listings_kept():
        assert {fingerprint_of(data) for _ in range(3)} == {fingerprint_of(data)}
    assert len(asked) == 1


def test_a_run_sees_what_changed_since_it_was_planned(photos: Path) -> None:
    with listings_kept():
        config = tiny(data__name=f"folder:{photos}", data__image_size=4, data__rules=2).config
        image = photos / "train" / "cat" / "1.bmp"
        image.write_bytes(image.read_bytes()[:-1] + b"x")
        with pytest.raises(BadInput, match="its files are not those that this run was made for"):
            load_and_build(config, Progress(), Beginning())
