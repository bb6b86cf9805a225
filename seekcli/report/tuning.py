"""A search for k as text and as plain data. No arithmetic."""

from __future__ import annotations

from typing import Any

from seekcli.analysis.statistics import NO_SPREAD, PairedDifference
from seekcli.analysis.tuning import ONE_SE, KResult, Search
from seekcli.report.columns import aligned

SEARCH_COLUMNS = ("k", "validation accuracy", "sd", "folds", "share", "expected", "forward MMACs", "")
FOLDS_OVERLAP = (
    "validation accuracy is the base model's after the last epoch, mean and sd over folds; the folds' training sets "
    "overlap, so that the interval is too narrow rather than too wide"
)
FORWARD = (
    "forward MMACs: of one image in the run's average step (F_XY); expected: the share that chance alone would give"
)


def search_text(search: Search) -> str:
    """A table by k, why this one is chosen, and which others lie within one standard error of the best."""
    rows = [_cells(result, search.k) for result in search.results]
    lines = [
        aligned(SEARCH_COLUMNS, rows, SEARCH_COLUMNS[:-1]),
        "",
        f"k = {search.k} is chosen: {choice_words(search)}",
    ]
    lines += [near_words(search)] if search.margin is not None else []
    return "\n".join([*lines, f"({FORWARD})", f"({FOLDS_OVERLAP})"])


def choice_words(search: Search) -> str:
    if search.rule != ONE_SE:
        return margin_words(search)
    if search.k == search.best.k:
        return f"the best one, and none within one standard error has fewer motivated steps; {margin_words(search)}"
    return f"the fewest motivated steps within one standard error of the best, k = {search.best.k}"


def near_words(search: Search) -> str:
    """`within one standard error of k = 2 (paired by fold): k = 3 (share 0.0410), k = 5 (share 0.0013)`."""
    near = [f"k = {one.k} (share {one.share.mean:.4f})" for one in search.near_best]
    listed = ", ".join(near) or "no other k"
    return f"within one standard error of the best, k = {search.best.k}, paired by fold: {listed}"


def _cells(result: KResult, chosen: int) -> list[str | None]:
    return [
        str(result.k),
        f"{result.accuracy.mean:.2f} %",
        None if result.accuracy.sd is None else f"{result.accuracy.sd:.2f}",
        str(result.accuracy.n),
        f"{result.share.mean:.4f}",
        None if result.expected_share is None else f"{result.expected_share:.4f}",
        f"{result.f_xy_macs_per_image / 1e6:.3f}",
        "chosen" if result.k == chosen else "",
    ]


def margin_words(search: Search) -> str:
    """`+0.42 points over k = 3, 95 % interval [0.10, 0.74], p = 0.02`; says so where no difference is shown."""
    if search.margin is None:
        return "no other value was tried"
    words = f"{search.margin.mean:+.2f} points over k = {search.runner_up}"
    if search.margin.p_value is None and search.margin.sd is not None and abs(search.margin.mean) <= NO_SPREAD:
        return f"{words}: no difference shown, the folds agree exactly; the smaller k is the rule of a tie"
    if search.margin.interval is None:
        return f"{words}; no difference shown: the noise between folds is unknown"
    low, high = search.margin.interval.low, search.margin.interval.high
    words += f", paired 95 % interval [{low:+.2f}, {high:+.2f}], p = {search.margin.p_value:.3f}"
    return words if search.difference_shown else f"{words}: no difference shown"


def as_data(search: Search) -> dict[str, Any]:
    """Everything that the table shows, unrounded; null is undefined."""
    return {
        "k": search.k,
        "runner_up_k": search.runner_up,
        "rule": search.rule,
        "best_k": search.best.k,
        "within_one_standard_error": [{"k": one.k, "share_mean": one.share.mean} for one in search.near_best],
        "difference_shown": search.difference_shown,
        "margin": None if search.margin is None else _margin_data(search.margin),
        "by_k": [_result_data(result) for result in search.results],
    }


def _margin_data(margin: PairedDifference) -> dict[str, Any]:
    return {
        "mean_points": margin.mean,
        "sd_points": margin.sd,
        "low_points": margin.interval.low if margin.interval else None,
        "high_points": margin.interval.high if margin.interval else None,
        "p_value": margin.p_value,
        "folds": len(margin.seeds),
    }


def _result_data(result: KResult) -> dict[str, Any]:
    return {
        "k": result.k,
        "validation_accuracy_percent_mean": result.accuracy.mean,
        "validation_accuracy_percent_sd": result.accuracy.sd,
        "validation_accuracy_percent_by_fold": list(result.accuracy_by_fold.values()),
        "folds": result.accuracy.n,
        "share_mean": result.share.mean,
        "expected_share": result.expected_share,
        "f_xy_macs_per_image": result.f_xy_macs_per_image,
        "run_ids": list(result.run_ids),
    }
