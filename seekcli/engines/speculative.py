"""How well the base of a run drafts for the larger model of the same run, beside two models that were trained alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from seekcli.analysis.arm_labels import arm_labels
from seekcli.analysis.runs import Run, load_runs
from seekcli.analysis.statistics import paired_difference, sample
from seekcli.errors import BadInput
from seekcli.method.roles import BASE, MOTIVATED
from seekcli.runs.scan import scan_runs

if TYPE_CHECKING:
    from torch import nn

    from seekcli.data.loading.windows import WindowBatches

SEPARATE = "each model alone"
SOURCE = "Leviathan, Kalman and Matias 2023, arXiv 2211.17192"
# The prompt is this share of a window of the test part; what follows it is generated.
PROMPT_FRACTION = 0.5


@dataclass(frozen=True)
class DraftPair:
    """A draft and a verifier: the two models of one run, or one model each of two runs of the same seed."""

    pair: str
    data: str
    group: str  # the arm, or SEPARATE
    seed: int
    draft: Run
    verifier: Run


@dataclass(frozen=True)
class Asked:
    """`gammas` are draft lengths; text is generated after the beginnings of `prompts` test windows, none for 0."""

    gammas: tuple[int, ...] = (1, 2, 4, 8)
    prompts: int = 16
    device: str = "cpu"


def measure(
    paths: Sequence[Path], asked: Asked, watcher: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Every run of two language models at `paths`, and the runs of the same seeds that trained each of them alone.

    `watcher` is told how many pairs are measured. Raises BadInput where there is no run of two language models.
    """
    check(asked)
    pairs = draft_pairs(paths)
    rows = []
    for done, pair in enumerate(pairs):
        watcher(done, len(pairs))
        rows.append(measured(pair, asked))
    watcher(len(pairs), len(pairs))
    return {"source": SOURCE, "pairs": rows, "groups": list(groups_of(rows))}


def check(asked: Asked) -> None:
    from seekcli.resolve.device import check_device

    if not asked.gammas or min(asked.gammas) < 1:
        raise BadInput(f"--gamma {','.join(map(str, asked.gammas))}: draft lengths of 1 or more, by comma, as in 1,2,4")
    if asked.prompts < 0:
        raise BadInput(f"--prompts {asked.prompts}: a number of test windows, 0 for none")
    check_device(asked.device)


def draft_pairs(paths: Sequence[Path]) -> list[DraftPair]:
    """By pair and data: runs of two models in the order of their arms, each with the separate models of its seed."""
    runs, _ = load_runs(scan_runs(paths))
    both = [run for run in runs if not run.classic and is_of_text(run)]
    if not both:
        raise BadInput(
            f"{', '.join(map(str, paths))}: there is no finished run of two language models; `seek train --model "
            "gpt-2x64-to-4x64 --data text:pydoc` makes one"
        )
    alone = {(run.settings.common_key, run.seed, *run.models.values()): run for run in runs if run.classic}
    labels = labels_of(both)
    found = [
        DraftPair(str(run.settings.own_pair_name), run.settings.data, labels[run.settings.arm_key], run.seed, run, run)
        for run in both
    ]
    separate = {}
    for one, run in zip(found, both, strict=True):
        keys = [(run.settings.common_key, run.seed, run.models[role]) for role in (BASE, MOTIVATED)]
        if all(key in alone for key in keys):
            draft, verifier = (alone[key] for key in keys)
            separate[tuple(keys)] = DraftPair(one.pair, one.data, SEPARATE, one.seed, draft, verifier)
    return sorted(
        [*separate.values(), *found], key=lambda one: (one.pair, one.data, one.group != SEPARATE, one.group, one.seed)
    )


def is_of_text(run: Run) -> bool:
    return run.settings.common.get("data.context_length") is not None and run.path.is_dir()


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    arms = {run.settings.arm_key: run.settings for run in runs}
    return dict(zip(arms, arm_labels(arms.values()), strict=True))


def measured(pair: DraftPair, asked: Asked) -> dict[str, Any]:
    """One row: rates over the test windows of the runs' own text, and what generation after them gave."""
    from seekcli.export.speculative import acceptance_of, expected_speedup, expected_tokens_per_call

    draft, verifier = model_of(pair.draft, BASE, asked.device), model_of(pair.verifier, MOTIVATED, asked.device)
    windows = windows_to_test(pair.draft.path, asked.device)
    found = acceptance_of(draft, verifier, windows.evaluation("test"))
    summary, rate = sample(found.sampled.tolist()), float(found.sampled.mean())
    rows = {BASE: pair.draft.rows[BASE], MOTIVATED: pair.verifier.rows[MOTIVATED]}
    ratio = rows[BASE]["forward_macs_per_image"] / rows[MOTIVATED]["forward_macs_per_image"]
    interval = summary.interval
    return {
        "pair": pair.pair,
        "data": pair.data,
        "group": pair.group,
        "seed": pair.seed,
        "draft_run": pair.draft.run_id,
        "verifier_run": pair.verifier.run_id,
        "acceptance_rate": rate,
        "acceptance_rate_low": None if interval is None else interval.low,
        "acceptance_rate_high": None if interval is None else interval.high,
        "greedy_acceptance_rate": float(found.greedy.mean()),
        "windows": summary.n,
        "tokens": found.tokens,
        "draft_test_loss": rows[BASE]["test_loss"],
        "verifier_test_loss": rows[MOTIVATED]["test_loss"],
        "draft_macs_over_verifier_macs": ratio,
        "by_gamma": [
            {
                "gamma": gamma,
                "expected_tokens_per_call": expected_tokens_per_call(rate, gamma),
                **generated(draft, verifier, windows, gamma, asked.prompts),
                "expected_speedup_by_macs": expected_speedup(rate, gamma, ratio),
            }
            for gamma in asked.gammas
        ],
    }


def generated(
    draft: nn.Module, verifier: nn.Module, windows: WindowBatches, gamma: int, prompts: int
) -> dict[str, Any]:
    """Tokens per call of the verifier where text is sampled after the first half of the first test windows."""
    import torch

    from seekcli.data.keys import key_of
    from seekcli.export.speculative import decode

    calls: list[int] = []
    tokens = windows.to_evaluate["test"][0][:prompts].to(torch.int64)
    for number, window in enumerate(tokens):
        generator = torch.Generator().manual_seed(key_of("speculative decoding", gamma, number))
        begin = max(1, int(PROMPT_FRACTION * len(window)))
        calls += decode(draft, verifier, window[:begin], len(window), gamma, generator).tokens_by_full_calls(gamma)
    return {"measured_tokens_per_call": fmean(calls) if calls else None, "measured_calls": len(calls)}


def model_of(run: Run, role: str, device: str) -> nn.Module:
    """In eval mode, in float32. Raises BadInput for a model file that is missing or damaged."""
    from seekcli.export.finished_run import open_run
    from seekcli.export.formats import take_model

    return take_model(open_run(run.path), role).model.to(device)


def windows_to_test(path: Path, device: str) -> WindowBatches:
    """Those of the text that the run was made of. Raises BadInput where it is gone, or is another one by now."""
    import torch

    from seekcli.data.loading.windows import WindowBatches
    from seekcli.data.sets.sources import load
    from seekcli.resolve.build import build_batches
    from seekcli.runs.folder import RunFolder

    config = RunFolder(path).config_file().config
    batches = build_batches(config, load(config.data), torch.device(device))
    assert isinstance(batches, WindowBatches), "a language model reads a text"
    return batches


def groups_of(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Mean and deviation over seeds, and the paired difference to the models that were trained alone."""
    names = list(dict.fromkeys((row["pair"], row["data"], row["group"]) for row in rows))
    for pair, data, group in names:
        own = [row for row in rows if (row["pair"], row["data"], row["group"]) == (pair, data, group)]
        alone = [row for row in rows if (row["pair"], row["data"], row["group"]) == (pair, data, SEPARATE)]
        yield {
            "pair": pair,
            "data": data,
            "group": group,
            "seeds": [row["seed"] for row in own],
            **over_seeds(own, alone if group != SEPARATE else [], "acceptance_rate"),
            **over_seeds(own, alone if group != SEPARATE else [], "greedy_acceptance_rate"),
            "verifier_test_loss": fmean(row["verifier_test_loss"] for row in own),
            "by_gamma": [gamma_over_seeds(own, place) for place in range(len(own[0]["by_gamma"]))],
        }


def over_seeds(own: Sequence[dict[str, Any]], alone: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    summary = sample([row[name] for row in own])
    by_seed = [{row["seed"]: row[name] for row in group} for group in (own, alone)]
    found = paired_difference("one run", SEPARATE, *by_seed)
    interval = found.interval if found is not None else None
    return {
        name: summary.mean,
        f"{name}_sd": summary.sd,
        f"{name}_difference": None if found is None else found.mean,
        f"{name}_difference_low": None if interval is None else interval.low,
        f"{name}_difference_high": None if interval is None else interval.high,
        f"{name}_difference_p": None if found is None else found.p_value,
        f"{name}_common_seeds": 0 if found is None else found.n,
    }


def gamma_over_seeds(own: Sequence[dict[str, Any]], place: int) -> dict[str, Any]:
    rows = [row["by_gamma"][place] for row in own]
    known = [row["measured_tokens_per_call"] for row in rows if row["measured_tokens_per_call"] is not None]
    return {
        "gamma": rows[0]["gamma"],
        "expected_tokens_per_call": fmean(row["expected_tokens_per_call"] for row in rows),
        "measured_tokens_per_call": fmean(known) if known else None,
        "expected_speedup_by_macs": fmean(row["expected_speedup_by_macs"] for row in rows),
    }
