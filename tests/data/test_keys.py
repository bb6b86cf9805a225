"""Keys and generators that depend on what they are for, and on nothing else."""

from __future__ import annotations

import subprocess
import sys

import torch

from seekcli.data.keys import generator_for, key_of, seed_draws


def test_a_key_is_the_same_on_every_machine() -> None:
    assert key_of("order", 0, 1) == 8_639_817_837_933_930_023
    assert 0 <= key_of("order", 0, 1) < 2**63


def test_every_part_and_its_place_and_type_count() -> None:
    keys = {key_of("a", 1), key_of("a", "1"), key_of(1, "a"), key_of("a", 1, ""), key_of("a1"), key_of("a", 2)}
    assert len(keys) == 6


def test_a_generator_draws_the_same_whatever_was_drawn_before() -> None:
    first = torch.rand(5, generator=generator_for("order", 0, 1))
    torch.rand(100)
    assert torch.equal(torch.rand(5, generator=generator_for("order", 0, 1)), first)
    assert not torch.equal(torch.rand(5, generator=generator_for("order", 0, 2)), first)


def test_a_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(5, generator=generator_for("order", 0, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_keys_need_no_torch() -> None:
    code = "import sys; from seekcli.data.keys import key_of; key_of('a', 1); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_draws_are_seeded_as_by_torch_itself():
    torch.manual_seed(key_of("dropout", 0, 1))
    expected = torch.rand(5)
    torch.rand(3)
    seed_draws(torch.device("cpu"), "dropout", 0, 1)
    assert torch.equal(torch.rand(5), expected)
