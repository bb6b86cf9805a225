"""Looks at many runs: in order, several at a time where they wait, one by one where they compute."""

from __future__ import annotations

import threading
import time

import pytest

from seekcli.data.sets.kept_listings import kept, listings_kept
from seekcli.errors import BadInput
from seekcli.runs import overlapped as module
from seekcli.runs.overlapped import overlapped


def waiting(number: int) -> tuple[int, int]:
    time.sleep(0.003 if number % 2 else 0.006)  # the later of two is ready first
    return number, threading.get_ident()


def test_looks_that_wait_overlap_and_stay_in_order():
    found = list(overlapped(waiting, range(200)))
    assert [number for number, _ in found] == list(range(200))
    assert len({thread for _, thread in found}) > 4


def test_looks_that_do_not_wait_are_made_one_by_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONG_WAIT_SECONDS", 5.0)  # a busy machine lets everybody wait
    found = overlapped(lambda number: threading.get_ident(), range(600))
    assert set(found) == {threading.get_ident()}


def test_a_disk_that_begins_to_wait_is_noticed_in_the_next_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONG_WAIT_SECONDS", 0.02)

    def look(number: int) -> int:
        time.sleep(0.03 if number >= module.PART else 0)
        return threading.get_ident()

    found = list(overlapped(look, range(module.PART + 40)))
    assert len(set(found[: module.PART])) == 1
    assert len(set(found[module.PART :])) > 4


@pytest.mark.parametrize("bad", [0, 100])
def test_what_a_look_raises_is_raised_and_ends_it(bad: int):
    looked = []

    def look(number: int) -> int:
        time.sleep(0.003)
        looked.append(number)
        if number == bad:
            raise BadInput(f"number {bad}")
        return number

    with pytest.raises(BadInput, match=f"number {bad}"):
        list(overlapped(look, range(1000)))
    assert len(looked) < 400


def test_what_is_kept_of_folders_is_kept_for_all_threads():
    found = []

    def look(number: int) -> str:
        time.sleep(0.003)
        return kept("a folder", lambda: found.append(number) or f"found by {number}")

    with listings_kept():
        assert set(overlapped(look, range(100))) == {"found by 0"}
    assert found == [0]


def test_nothing_to_look_at():
    assert list(overlapped(waiting, [])) == []
