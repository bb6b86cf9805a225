"""`seek export --format onnx|pt2`: the file of a graph and its card, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from seekcli import files
from seekcli.documents import write_document
from seekcli.errors import BadInput
from seekcli.export.card import Card, WeightsCard, read_card
from seekcli.export.finished_run import FinishedRun
from seekcli.export.formats import Exported, Taken, require_writable, take_model
from seekcli.export.graphs import Example, write_graph
from seekcli.export.kinds import require_packages


def export_graphs(
    run: FinishedRun,
    roles: Sequence[str],
    folder: Path,
    format_name: str,
    example_of: Callable[[Taken], Example],
    preprocessing: bool = False,
    overwrite: bool = False,
    mended: Callable[[Taken], Taken] = lambda taken: taken,
) -> list[Exported]:
    """Write `<model>-<role>.onnx` (or `.pt2`) and its card, `.onnx.json`, for each role, each compared first.

    `example_of` gives the images that a model is compared on. The same export again is fine. Raises BadInput, with
    nothing written, as `export_run` does, and where a program that is needed is missing; RunFailed where a graph gives
    other logits than the run's model.
    """
    require_packages(format_name)
    taken = [mended(take_model(run, role)) for role in roles]
    require_writable(folder)
    files.require_free_bytes(folder, 3 * sum(one.card.weights.bytes for one in taken))
    if not overwrite:
        for one in taken:
            require_own_names(one.card, folder, format_name, preprocessing)
    return [write_checked(one, folder, format_name, example_of(one), preprocessing) for one in taken]


def require_own_names(card: Card, folder: Path, format_name: str, preprocessing: bool) -> None:
    """Raise BadInput when a file of another export, or of something else, has one of the names."""
    path = folder / f"{card.name}.{format_name}"
    card_path = path.with_name(f"{path.name}.json")
    standing = next((one for one in (card_path, path) if one.exists()), None)
    if standing is None:
        return
    try:
        graph = read_card(card_path).graph
    except BadInput:
        graph = None
    if graph is None or (graph.weights_sha256, graph.preprocessing_inside) != (card.weights.sha256, preprocessing):
        raise BadInput(f"{standing} exists and is another export: name another folder with --to, or add --overwrite")


def write_checked(taken: Taken, folder: Path, format_name: str, example: Example, preprocessing: bool) -> Exported:
    """Write, read back, compare, and only then give the files their names: the card first, the graph last."""
    path = folder / f"{taken.card.name}.{format_name}"
    done: list[Exported] = []

    def write(temporary: Path) -> None:
        graph = write_graph(taken.model, taken.card, format_name, example, temporary, preprocessing)
        weights = WeightsCard(
            file=path.name, format=format_name, sha256=files.sha256_of(temporary), bytes=temporary.stat().st_size,
            parameters=taken.card.weights.parameters,
        )  # fmt: skip
        card = taken.card.model_copy(update={"weights": weights, "graph": graph})
        write_document(folder / card.file, card.as_data())
        done.append(Exported(card, folder / card.file, path))

    files.write_with(path, write)
    return done[0]
