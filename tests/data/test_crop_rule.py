"""What is seen of a picture: which part, how large, the right way up; and nothing that anybody drew before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from photo_tree import photograph
from PIL import Image
from scipy import stats
from torchvision.transforms import RandomResizedCrop

from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view, random_box
from seekcli.errors import BadInput

SIDES = st.integers(1, 3000)


def halves(path: Path, width: int = 40, height: int = 20, **options: object) -> Path:
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    picture.paste((0, 0, 255), (width // 2, 0, width, height))
    picture.save(path, **options)
    return path


def seen(path: Path, rule: CropRule, epoch: int = 0, position: int = 0) -> np.ndarray:
    return decode_view(rule, ImageRequest(str(path), epoch, position))


# --- the box ----------------------------------------------------------------------------------------------------------


DRAWS = st.lists(st.tuples(*[st.floats(0, 0.999999)] * 4), min_size=1, max_size=10)


@given(width=SIDES, height=SIDES, least=st.floats(0.01, 1), draws=DRAWS)
def test_a_random_box_lies_in_the_picture_on_whole_pixels(width: int, height: int, least: float, draws: list) -> None:
    left, top, right, bottom = random_box(width, height, least, draws)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_random_boxes_have_the_areas_and_shapes_of_the_rule() -> None:
    rng = np.random.default_rng(0)
    boxes = [random_box(1000, 1000, 0.08, rng.random((10, 4)).tolist()) for _ in range(4000)]
    wide, high = np.array([right - left for left, _, right, _ in boxes]), np.array([b - t for _, t, _, b in boxes])
    area, aspect = wide * high / 1e6, wide / high
    assert 0.079 < area.min() < 0.1
    assert 0.95 < area.max() <= 1
    assert 0.745 < aspect.min() < 0.76
    assert 1.32 < aspect.max() < 1.34
    # Log-uniform: as often wider than high as the other way round.
    assert abs(np.log(aspect).mean()) < 0.01
    assert 0.46 < area.mean() < 0.50  # less than 0.54: the largest do not fit when they are long
    assert min(left for left, *_ in boxes) == 0
    assert max(right for _, _, right, _ in boxes) == 1000


@pytest.mark.parametrize(
    ("width", "height", "least"), [(500, 375, 0.08), pytest.param(300, 900, 0.3, marks=pytest.mark.slow)]
)
def test_random_boxes_have_torchvisions_distribution(width: int, height: int, least: float) -> None:
    """The wide one rarely draws again; the high one often does, and takes the way out."""
    count = 3000
    torch.manual_seed(0)
    image = torch.zeros(1, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, [least, 1], [3 / 4, 4 / 3]) for _ in range(count)])
    rng = np.random.default_rng(0)
    boxes = np.round([random_box(width, height, least, rng.random((10, 4)).tolist()) for _ in range(count)])
    left, top, right, bottom = boxes.T
    ours = np.stack([top, left, bottom - top, right - left], axis=1)
    for column in range(4):
        assert stats.ks_2samp(theirs[:, column], ours[:, column]).pvalue > 1e-3


def test_a_picture_that_no_box_fits_shows_its_middle() -> None:
    never = [[0.99, 0.5, 0.5, 0.5]] * 10
    assert random_box(1000, 10, 0.9, never) == pytest.approx((1000 / 2 - 20 / 3, 0, 1000 / 2 + 20 / 3, 10))
    assert random_box(10, 1000, 0.9, never) == pytest.approx((0, 1000 / 2 - 20 / 3, 10, 1000 / 2 + 20 / 3))


def test_a_box_is_a_function_of_seed_epoch_and_position_alone() -> None:
    rule = CropRule(8, least_area=0.08, seed=3)
    places = [(epoch, position) for epoch in (0, 1) for position in (0, 1, 2)]
    boxes = {place: rule.box(500, 375, ImageRequest("a", *place)) for place in places}
    assert len(set(boxes.values())) == 6
    for (epoch, position), box in reversed(boxes.items()):
        assert rule.box(500, 375, ImageRequest("b", epoch, position)) == box
    assert CropRule(8, least_area=0.08, seed=4).box(500, 375, ImageRequest("a", 0, 0)) != boxes[0, 0]


def test_the_middle_is_a_share_of_the_shorter_side() -> None:
    assert CropRule(224, centre=0.875).box(500, 400, ImageRequest("a", 0, 0)) == (75, 25, 425, 375)
    assert CropRule(224, centre=1.0).box(400, 500, ImageRequest("a", 5, 9)) == (0, 50, 400, 450)


# --- pixels -----------------------------------------------------------------------------------------------------------


def test_the_middle_of_a_picture_at_the_size_asked_for(tmp_path: Path) -> None:
    pixels = seen(halves(tmp_path / "a.png"), CropRule(10))
    assert pixels.shape == (10, 10, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, :4].tolist() == [[[255, 0, 0]] * 4] * 10
    assert pixels[:, 6:].tolist() == [[[0, 0, 255]] * 4] * 10


def test_a_centre_share_leaves_the_margin_out(tmp_path: Path) -> None:
    picture = Image.new("RGB", (80, 80), (0, 0, 0))
    picture.paste((255, 255, 255), (10, 10, 70, 70))
    picture.save(tmp_path / "framed.png")
    assert seen(tmp_path / "framed.png", CropRule(8, centre=0.7)).min() == 255
    assert seen(tmp_path / "framed.png", CropRule(8, centre=1.0)).min() < 10


@pytest.mark.parametrize("rule", [CropRule(24, 0.875), CropRule(24, least_area=0.08, seed=1)], ids=["middle", "random"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_image_is_seen_upright(tmp_path: Path, rule: CropRule, turn: int) -> None:
    """However the file stores it: what is seen is what is seen of the upright picture, box included."""
    photograph(tmp_path / "upright.jpg", 0, (200, 150))
    upright = Image.open(tmp_path / "upright.jpg")
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[turn]  # the transposition that the EXIF turn undoes
    stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = turn
    upright.save(tmp_path / "plain.png")
    stored.save(tmp_path / "turned.png", exif=exif)
    for position in range(3):
        expected = seen(tmp_path / "plain.png", rule, position=position)
        assert np.array_equal(seen(tmp_path / "turned.png", rule, position=position), expected)


def test_grey_palette_and_cmyk_pictures_come_as_rgb(tmp_path: Path) -> None:
    halves(tmp_path / "rgb.png")
    for mode, name in (("L", "grey.jpg"), ("P", "palette.png"), ("CMYK", "cmyk.jpg")):
        Image.open(tmp_path / "rgb.png").convert(mode).save(tmp_path / name)
        assert seen(tmp_path / name, CropRule(6)).shape == (6, 6, 3)
    assert np.ptp(seen(tmp_path / "grey.jpg", CropRule(6)), axis=2).max() == 0


def test_a_large_jpeg_read_at_a_fraction_shows_the_same_part(tmp_path: Path) -> None:
    """Against the whole picture, decoded in full: 2,000 pixels for 24 are read at an eighth, 101 at full size."""
    for width, height, tolerance in ((2000, 1501, 3), (101, 99, 0)):
        path = tmp_path / f"{width}.jpg"
        photograph(path, 0, (width, height))
        full = tmp_path / f"{width}.png"
        Image.open(path).save(full)
        for rule in (CropRule(24, 0.875), CropRule(24, least_area=0.08, seed=2)):
            for position in range(2):
                one, other = (seen(each, rule, 0, position).astype(int) for each in (path, full))
                assert np.abs(one - other).max() <= tolerance


@pytest.mark.parametrize("damage", ["empty", "cut off", "not an image", "missing"])
def test_a_broken_picture_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "broken.jpg"
    photograph(path, 0, (60, 40))
    content = {"empty": b"", "cut off": path.read_bytes()[:400], "not an image": b"x" * 900, "missing": None}[damage]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(BadInput, match=r"cannot read the image .*broken\.jpg: \w+") as caught:
        seen(path, CropRule(16))
    assert "\n" not in str(caught.value)
