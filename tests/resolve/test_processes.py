"""`train.processes` and `train.batchnorm`: what is in the run id, what is refused, what is shown."""

from __future__ import annotations

import pytest
from tiny import tiny
from tiny_text import tiny_text

from seekcli.config.identity import run_id
from seekcli.errors import BadInput
from seekcli.report.repeat import command_of
from seekcli.resolve.plan import describe_plan
from seekcli.resolve.resolve import resolve


def id_of(**changes):
    return run_id(tiny(**changes).config)


def test_the_number_of_processes_makes_another_run_and_so_does_batchnorm_then():
    assert id_of(train__batchnorm="synchronised") == id_of(train__processes=1) == id_of()
    ids = {id_of(), id_of(train__processes=2), id_of(train__processes=2, train__batchnorm="synchronised")}
    assert len(ids) == 3


def test_a_model_without_batchnorm_is_one_run_whatever_is_said_of_it(tmp_path):
    said, unsaid = (
        tiny_text(tmp_path, train__processes=2, **more) for more in ({"train__batchnorm": "synchronised"}, {})
    )
    assert run_id(said.config) == run_id(unsaid.config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__batch_size": 5}, r"--batch-size 5: 3 processes \(train.processes\) need at least two images each: 6"),
        (
            {"train__batch_size": 11, "train__accumulate_steps": 2},
            r"two images each in each of the train.accumulate_steps: 12 or more",
        ),
        ({"train__batch_size": 12, "runtime__device": "cuda:1"}, r"--device cuda:1 is one device for 3 processes"),
        ({"train__batch_size": 12, "runtime__device": "mps"}, r"--device mps is one device for 3 processes"),
    ],
)
def test_what_several_processes_cannot_do_is_refused_in_one_line(changes, message):
    with pytest.raises(BadInput, match=message):
        tiny(train__processes=3, **changes)


def test_the_plan_says_how_many_processes_there_are(tmp_path):
    assert "2 processes (BatchNorm per-process)" in describe_plan(tiny(train__processes=2), tmp_path)
    assert "processes" not in describe_plan(tiny(), tmp_path)


def test_the_command_that_repeats_a_run_starts_as_many(tmp_path):
    said = [("torchrun", {"train.processes": 2}), ("--data", {"data.name": "digits"})]
    assert command_of(resolve(said), tmp_path).startswith("torchrun --nproc-per-node 2 -m seekcli train --")
    assert "processes" not in command_of(resolve(said), tmp_path)
    assert command_of(tiny(), tmp_path).startswith("seek train ")
