"""What `seek speculative` measured, as text: tables of each pair, and what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seekcli.errors import visible
from seekcli.report.columns import fitted

RATES = ["draft and verifier", "n", "accepted", "- each alone [95%]", "greedy", "loss"]
MEANING = """\
Accepted: the chance that the verifier takes a token of the draft, the sum of
min(p, q) over tokens, averaged over the places of the test part of the runs'
own text. Greedy: the share of places where both have the same likeliest token.
± is the standard deviation over seeds; differences are paired by seed, with t
intervals that are not corrected. Loss: the verifier's test loss, nats per token;
a verifier that is close to its draft accepts more, so look at both.
Tokens per call: by (1 - a^(gamma + 1)) / (1 - a) of the acceptance rate a, and
measured where text was sampled after the first half of test windows. Speed-up:
over the verifier alone, by the forward MACs; wall time was not measured.
Formulas: {source}."""


def speculative_text(document: dict[str, Any], width: int) -> str:
    """Tables of each pair and data, and what they mean."""
    groups = document["groups"]
    parts = []
    for pair, data in dict.fromkeys((one["pair"], one["data"]) for one in groups):
        of_cell = [one for one in groups if (one["pair"], one["data"]) == (pair, data)]
        gammas = [f"gamma {row['gamma']}" for row in of_cell[0]["by_gamma"]]
        parts += [
            f"{pair} on {visible(data)}: base as draft, larger model as verifier",
            table(RATES, [rates(one) for one in of_cell], width),
            table(["tokens per call", *gammas], [tokens_per_call(one) for one in of_cell], width),
            table(["speed-up", *gammas], [speed_ups(one) for one in of_cell], width),
        ]
    return "\n\n".join([*parts, MEANING.format(source=document["source"])])


def table(headers: list[str], rows: Sequence[list[str]], width: int) -> str:
    return fitted(headers, rows, width, headers[1:])


def rates(one: dict[str, Any]) -> list[str]:
    sd, difference = one["acceptance_rate_sd"], one["acceptance_rate_difference"]
    low, high = one["acceptance_rate_difference_low"], one["acceptance_rate_difference_high"]
    interval = "" if low is None else f" [{low:+.3f}, {high:+.3f}]"
    return [
        one["group"],
        str(len(one["seeds"])),
        f"{one['acceptance_rate']:.3f}" + ("" if sd is None else f" ± {sd:.3f}"),
        "-" if difference is None else f"{difference:+.3f}{interval}",
        f"{one['greedy_acceptance_rate']:.3f}",
        f"{one['verifier_test_loss']:.4f}",
    ]


def tokens_per_call(one: dict[str, Any]) -> list[str]:
    """`4.71 / 4.73`: expected and measured."""
    measured = ["-" if row["measured_tokens_per_call"] is None else f"{row['measured_tokens_per_call']:.2f}"
                for row in one["by_gamma"]]  # fmt: skip
    expected = [f"{row['expected_tokens_per_call']:.2f}" for row in one["by_gamma"]]
    return [one["group"], *(" / ".join(both) for both in zip(expected, measured, strict=True))]


def speed_ups(one: dict[str, Any]) -> list[str]:
    return [one["group"], *(f"{row['expected_speedup_by_macs']:.2f}" for row in one["by_gamma"])]
