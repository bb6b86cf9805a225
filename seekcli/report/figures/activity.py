"""When the larger model was active: a raster of steps, the loss of chosen epochs, and the loss around switches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from matplotlib.colors import Colormap, ListedColormap

from seekcli.analysis.activity import AroundSwitch, Epoch, share_of, turns_of, turns_with_lengths
from seekcli.report.figures.canvas import (
    BLUE,
    INK,
    ORANGE,
    VERMILION,
    Picture,
    blank,
    colour,
    label,
    legend,
    marker,
    whole_numbers,
    whole_ticks,
)

MOST_ROWS = 200


def epochs_raster(name: str, epochs: Sequence[Epoch]) -> Picture:
    """One run: a row an epoch, a column a step, dark where the larger model took it. Of many epochs every n-th."""
    shown = epochs[:: -(-len(epochs) // MOST_ROWS)]
    steps = max(len(epoch.motivated) for epoch in shown)
    figure, (axes,) = blank(min(5.0, 1.0 + 0.09 * len(shown)))
    turns = sum(len(turns_of(epoch)) for epoch in epochs)
    words = (
        f"{name}: in epoch {epochs[0].number} the larger model took {share_of(epochs[0]):.1%} of the steps, in epoch "
        f"{epochs[-1].number} {share_of(epochs[-1]):.1%}; {turns} turns in all."
    )
    picture = Picture("activity", f"When the larger model was active: {name}", words, figure)
    cells = [
        [float(one) for one in epoch.motivated] + [float("nan")] * (steps - len(epoch.motivated)) for epoch in shown
    ]
    extent = (0.5, steps + 0.5, shown[-1].number + 0.5, shown[0].number - 0.5)
    axes.imshow(cells, aspect="auto", interpolation="nearest", cmap=_two_shades(), vmin=0, vmax=1, extent=extent)
    axes.grid(visible=False)
    label(axes, "step of the epoch", "epoch")
    whole_numbers(axes)
    axes.yaxis.set_major_locator(whole_ticks(min(len(shown), 9)))
    return picture


def _two_shades() -> Colormap:
    return ListedColormap(["#8080802e", VERMILION]).with_extremes(bad=(0, 0, 0, 0))


def loss_trace(name: str, run_id: str, epochs: Sequence[Epoch]) -> Picture:
    """The loss of every step in the first, the middle and the last epoch of one run (the paper's figure 2)."""
    chosen = [epochs[index] for index in sorted({0, len(epochs) // 2, len(epochs) - 1})]
    figure, axes = blank(1.6 * len(chosen) + 0.4, rows=len(chosen))
    words = " ".join(
        f"Epoch {one.number}: {sum(one.motivated)} of {len(one.losses)} steps were the larger model's."
        for one in chosen
    )
    picture = Picture("loss-trace", f"Loss by step, shaded where the larger model took it: {name}", words, figure)
    for place, (one, panel) in enumerate(zip(chosen, axes, strict=True)):
        spans = [(place + 0.5, steps) for place, steps in turns_with_lengths(one)]
        panel.broken_barh(spans, (0, 1), transform=panel.get_xaxis_transform(), color=ORANGE, alpha=0.35, linewidth=0)
        (line,) = panel.plot(range(1, len(one.losses) + 1), one.losses, color=BLUE, linewidth=1)
        mean = sum(one.losses) / len(one.losses)
        turns = sum(one.motivated), len(one.motivated)
        picture.tell(
            line, f"{run_id}: mean loss {mean:.4g} in epoch {one.number}, {turns[0]} of {turns[1]} steps larger"
        )
        whole_numbers(panel)
        label(panel, "step of the epoch" if place + 1 == len(chosen) else "", "loss", f"epoch {one.number}")
    return picture


def around(found: Mapping[str, Sequence[AroundSwitch]], controls: Collection[str]) -> Picture | None:
    """The loss around the first step of a turn, over the mean loss of its epoch. `controls` are would-be turns."""
    shown = {name: rows for name, rows in found.items() if rows}
    if not shown:
        return None
    figure, (axes,) = blank(3.2)
    words = "; ".join(_in_words(name, rows) for name, rows in shown.items())
    picture = Picture("around-switches", "Loss around the switches to the larger model", words, figure)
    axes.axvline(-0.5, color=INK, linewidth=0.8)
    for number, (name, rows) in enumerate(shown.items()):
        offsets, means = [row.offset for row in rows], [row.found.mean for row in rows]
        style = ":" if name in controls else "-"
        mark = marker(number) or "."
        (line,) = axes.plot(offsets, means, color=colour(number), linestyle=style, marker=mark, label=name)
        picture.tell(line, _in_words(name, rows))
        bounds = [row.found.interval for row in rows]
        if all(bound is not None for bound in bounds):
            low, high = [bound.low for bound in bounds if bound], [bound.high for bound in bounds if bound]
            axes.fill_between(offsets, low, high, color=colour(number), alpha=0.15, linewidth=0)
    label(axes, "steps from the first one after the switch", "loss - mean loss of the epoch")
    whole_numbers(axes)
    legend(axes, columns=1)
    return picture


def _in_words(name: str, rows: Sequence[AroundSwitch]) -> str:
    first = next((row for row in rows if row.offset == 0), rows[0])
    return f"{name}: {first.found.mean:+.3g} at the first step, n = {first.found.n} runs"
