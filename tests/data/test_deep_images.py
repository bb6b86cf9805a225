"""Images of more than 8 bits a channel: what is read of them is a setting, and it is said."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import tiny

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.loading.streaming import Streamed
from seekcli.data.sets import identity
from seekcli.data.sets.sources import load
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.every_image import load_every_image
from seekcli.errors import BadInput

# A pattern of 12 bits: 64 steps from black to white.
STEPS = np.linspace(0, 4095, 64).round().astype(np.uint16).reshape(8, 8)
SUFFIXES = ("png", "tif", "pgm")


def grey(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint16)).save(path)


@pytest.fixture(params=SUFFIXES)
def scans(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of images of 12 bits in files of 16; some are darker than others, and none has an image to itself."""
    for split, images in (("train", 4), ("val", 2)):
        for index in range(images):
            grey(tmp_path / "scans" / split / "a" / f"{index}.{request.param}", STEPS - (STEPS > 0) * (index > 0))
            grey(tmp_path / "scans" / split / "b" / f"{index}.{request.param}", STEPS // (2 + index))
    return tmp_path / "scans"


def planned(root: Path, kind: str = "folder", **settings: object) -> Resolved:
    own = {f"data__{key}": value for key, value in settings.items()}
    return tiny(data__name=f"{kind}:{root}", data__image_size=8, data__test_crop=1.0, **own)


def pixels(config: RunConfig) -> np.ndarray:
    """The first training image as the models get it; a streamed one is read as a test image and as a training image."""
    images = load(config.data).train_images
    if not isinstance(images, ImageFiles):
        return images[0, 0].numpy()
    streamed = Streamed(images[:1], torch.device("cpu"))
    (tested,), (trained,) = streamed.unaugmented(images[:1], 1), streamed.training(torch.tensor([0]), 0, [(0, 1)])
    streamed.close()
    assert torch.equal(tested, trained)
    return tested[0, 0].numpy()


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_a_new_run_reads_the_bits_that_are_used(scans: Path, kind: str) -> None:
    resolved = planned(scans, kind)
    assert resolved.config.data.grey_bits == 12
    assert resolved.origins["data.grey_bits"] == "auto, the highest value is 4095"
    seen = pixels(resolved.config)
    assert np.array_equal(seen, (STEPS * (255 / 4095)).round())
    assert len(np.unique(seen)) == 64


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_without_the_setting_the_upper_bits_are_read_as_they_were(scans: Path, kind: str) -> None:
    for settings in ({"grey_bits": None}, {"rules": 1}):
        resolved = planned(scans, kind, **settings)
        assert resolved.config.data.grey_bits is None
        assert np.array_equal(pixels(resolved.config), STEPS >> 8)
    assert pixels(planned(scans, kind).config).max() == 255  # not what was decoded and kept before
    assert len({run_id(planned(scans, kind, grey_bits=bits).config) for bits in (None, 12, 16)}) == 3


def test_it_is_said_what_is_read(scans: Path) -> None:
    new, old = planned(scans).config.data, planned(scans, grey_bits=None).config.data
    words = "; 12 16-bit grey images, highest value 4095, white is 4095 (data.grey_bits 12)"
    assert load(new).summary.endswith(words)
    assert summary_ahead(new).endswith(words)
    words = "; of 12 16-bit grey images only the upper 8 bits are read (highest value 4095 of 65535; data.grey_bits)"
    assert load(old).summary.endswith(words)
    assert summary_ahead(old).endswith(words)


@pytest.mark.parametrize(("highest", "bits"), [(200, 8), (256, 10), (1023, 10), (5000, 14), (65535, 16)])
def test_the_least_usual_depth_is_taken(tmp_path: Path, highest: int, bits: int) -> None:
    for name in ("train/a", "train/b", "test/a"):
        grey(tmp_path / name / "0.png", np.full((8, 8), highest if name == "test/a" else 7))
    assert planned(tmp_path).config.data.grey_bits == bits


def test_bits_that_do_not_fit_are_refused(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data.grey_bits 10: .*/a/0\.\w+ has the value 4095, .* use data.grey_bits=12"):
        planned(scans, grey_bits=10)
    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / "plain" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "plain" / name / "0.png")
    assert planned(tmp_path / "plain").config.data.grey_bits is None
    with pytest.raises(BadInput, match=r"no image of folder:.* is grey with 16 bits; leave it out"):
        planned(tmp_path / "plain", grey_bits=12)
    with pytest.raises(
        BadInput, match=r"data.grey_bits is for image files, as of folder:DIR and imagenet:DIR, and this is digits"
    ):
        tiny(data__name="digits", data__grey_bits=12)


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_another_set_is_read_as_the_run_was(scans: Path, tmp_path: Path, kind: str) -> None:
    grey(tmp_path / "other" / "a" / "0.png", np.full((8, 8), 2048))
    data = planned(scans, kind).config.data
    other = data.model_copy(update={"name": f"{kind}:{tmp_path / 'other'}", "dir": None, "fingerprint": None})

    def seen() -> np.ndarray:
        images = load_every_image(other, ("a", "b")).test_images
        if not isinstance(images, ImageFiles):
            return images.numpy()
        return np.stack(
            [
                decode_view(CropRule(8, grey_bits=images.grey_bits), ImageRequest(path, 0, 0))
                for path in images.located()
            ]
        )

    assert (seen() == 128).all()
    grey(tmp_path / "other" / "a" / "1.png", np.full((8, 8), 4096))
    with pytest.raises(BadInput, match=r"a/1\.png has the value 4096, .* white at 4095 .* a model with --set data.gr"):
        seen()


def test_a_model_of_8_bits_reads_another_set_as_it_was_trained(scans: Path, tmp_path: Path) -> None:
    """There is no setting that could change it."""
    other = planned(scans, grey_bits=None).config.data.model_copy(update={"fingerprint": None})
    assert load_every_image(other, ("a", "b")).split.endswith("read, as in training (highest value 4095 of 65535)")


def test_a_pgm_says_its_own_white(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / name).mkdir(parents=True)
        header, values = b"P5\n# of a camera\n8 8\n4095\n", STEPS.astype(">u2").tobytes()
        (tmp_path / name / "0.pgm").write_bytes(header + values)
    assert planned(tmp_path).config.data.grey_bits == 16
    assert np.array_equal(pixels(planned(tmp_path).config), (STEPS * (255 / 4095)).round())


@pytest.mark.parametrize(
    ("values", "why"),
    [(STEPS.astype(np.float32), "no fixed range"), (STEPS.astype(np.int32) * 20, "not within 0..65535")],
)
def test_values_without_a_known_white_are_refused_before_a_run(tmp_path: Path, values: np.ndarray, why: str) -> None:
    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(STEPS.astype(np.int32)).save(tmp_path / name / "0.tif")
    assert planned(tmp_path).config.data.grey_bits == 12  # 32 bits a value, of which 12 are used
    assert np.array_equal(pixels(planned(tmp_path).config), (STEPS * (255 / 4095)).round())
    Image.fromarray(values).save(tmp_path / "train" / "a" / "0.tif")
    with pytest.raises(BadInput, match=rf"cannot read the image .*train/a/0.tif: .*{why}.*; convert it to 8 or 16"):
        planned(tmp_path)


def test_a_streamed_tree_takes_the_bits_from_its_sample(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SAMPLE_FILES", 1)
    assert planned(scans, "imagenet").config.data.grey_bits in (10, 12)
    assert planned(scans, "imagenet", whole_digest=True).config.data.grey_bits == 12


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_colours_of_16_bits_are_said_to_be_cut(tmp_path: Path) -> None:
    """Pillow writes none, so these are written by hand: PNG, 16 bits a channel, RGB."""
    rows = b"".join(b"\0" + b"\x0f\xff" * 3 * 8 for _ in range(8))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0.png").write_bytes(png)
    data = planned(tmp_path).config.data
    assert data.grey_bits is None
    assert summary_ahead(data).endswith("; of 3 images with 16 bits a channel only the upper 8 are read")


def test_what_a_file_holds_is_kept_with_its_digest(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))
    words = summary_ahead(planned(scans).config.data)
    monkeypatch.setattr(identity, "hash_file", lambda *file: pytest.fail("read again"))
    assert summary_ahead(planned(scans).config.data) == words
