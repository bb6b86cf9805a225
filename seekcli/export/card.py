"""The card of an exported model: everything that is needed to build it, feed it, and trust its recorded accuracy.

A JSON file beside the weights. It names no path of the machine that trained the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekcli.config.value_types import Fit
from seekcli.documents import first_problem, read_document, refuse_newer
from seekcli.errors import BadInput, shown_value, visible
from seekcli.export.tokens import TextCard, read_as

if TYPE_CHECKING:
    from torch import Tensor

CARD_FORMAT = 2  # the newest that is read
OF_IMAGES = 1  # cards of image classifiers say this: programs that know no others read them too
MAX_INT64 = 2**63 - 1
CITATION = (
    "M. Acheli, W. Gaaloul, 'Motivation Is Something You Need', arXiv:2602.21064 (2026). "
    "Please cite the paper and seekcli when you publish results that use these weights."
)
SCALE = "x = pixels / 255 (0..1); then (x - mean) / std for each channel; layout [batch, channels, height, width]"

TOKENS = "token ids 0..classes-1 of class_names, int64; layout [batch, tokens], at most image_size tokens"

# What a card can say.
Int64Count = Annotated[int, Field(ge=0, le=MAX_INT64)]
Int64Positive = Annotated[int, Field(ge=1, le=MAX_INT64)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class InputCard(Part):
    """What the model takes: float32 [batch, channels, image_size, image_size], normalised as `scale` says.

    `fit` is how a photograph becomes a square: `crop` to its middle, `pad` with black, `stretch` (docs/data.md).
    `test_crop` is the share of a photograph's shorter side that the middle square shows which was evaluated on; null
    where the images of the data set were square already, or all of them is shown.
    """

    channels: int = Field(ge=1, le=1024)
    image_size: int = Field(ge=1, le=65536)
    fit: Fit = "crop"
    test_crop: float | None = Field(None, gt=0, le=1)
    scale: str = SCALE
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]


class TimmCard(Part):
    """`timm.create_model(name, **arguments)` builds the model, once `modules` are put in it (docs/export.md)."""

    name: str
    arguments: dict[str, int | float]
    modules: dict[str, dict[str, Any]]


class ArchitectureCard(Part):
    """What else of the model depends on the size of its images. `timm` is null for a model that timm has not.

    `source_sha256` is of the source files of a module of one's own (`model` is its import path), and else not there.
    """

    stem: str | None
    patch_size: Int64Positive | None
    timm: TimmCard | None
    source_sha256: str | None = None


class WeightsCard(Part):
    """The weights file beside the card. `file` is a bare name, so that the two can be moved together."""

    file: str
    format: Literal["safetensors", "onnx", "pt2"] = "safetensors"
    sha256: str
    bytes: Int64Count
    parameters: Int64Count


class GraphCard(Part):
    """Of a model that is written as a graph: what it takes, and how far its logits are from those of the run's model.

    It was compared on batches of `compared_batches` images. `weights_sha256` is that of the safetensors file which the
    same export without a format would write.
    """

    input_name: str
    input_dtype: Literal["float32", "uint8", "int64"]
    preprocessing_inside: bool
    compared_with: str
    compared_batches: tuple[Int64Positive, ...]
    compared_on: str
    largest_difference: float = Field(ge=0)
    largest_logit: float = Field(ge=0)
    weights_sha256: str


class ResultCard(Part):
    """The recorded result: the last epoch's, on the whole test split.

    Of a language model nats per token (`test_loss`), its exponential (null where no number holds it) and bits per byte,
    over `test_images` windows; no accuracy.
    """

    test_accuracy_percent: Percent | None
    test_loss: float | None
    test_perplexity: float | None = None
    test_bits_per_byte: float | None = None
    test_images: Int64Count
    epoch: Int64Count

    @property
    def accuracy_percent(self) -> float:
        """Of an image classifier, which has one (`read_card`)."""
        assert self.test_accuracy_percent is not None
        return self.test_accuracy_percent


class StatisticsCard(Part):
    """The BatchNorm running statistics in the weights file, which belong to the model as its weights do.

    `buffers` says what a switch did to them in training (null for a model that was trained alone). They stand as
    trained where `recalibrated_batches` is 0; else they were estimated anew on so many training batches, `recalibrated`
    says when.
    """

    buffers: Literal["own", "carried"] | None
    recalibrated_batches: Int64Count
    recalibrated: str | None = None
    test_accuracy_as_trained_percent: Percent | None = None


class EvaluationCard(Part):
    """How the recorded result was computed: with these on the same machine it comes back exactly."""

    batch_size: Int64Positive
    precision: Literal["fp32", "bf16", "fp16"]
    layout: Literal["channels_last", "contiguous"]
    device_type: str
    device: str | None = None
    cpu: str | None = None
    threads: Int64Positive | None = None
    torch: str | None = None


class UnfinishedCard(Part):
    """How far a run had come that was not finished: the whole epochs, and all updates up to these weights."""

    epochs_done: Int64Count
    steps_done: Int64Count


class TrainingCard(Part):
    """Where the weights come from. Pair settings are null for a model that was trained alone.

    `steps` are the batches of the run, its length exactly: of `epochs` the last one may be shorter. Of a run that is
    `unfinished` they are those that it was to have; the weights are of its last checkpoint then.
    """

    run_id: str
    extends: str | None = None  # the run that this one went on from
    schedule: str
    seed: Int64Count
    recipe: str
    epochs: Int64Positive
    steps: Int64Positive | None = None  # null in the cards of older programs
    unfinished: UnfinishedCard | None = None
    data: str
    data_fingerprint: str | None
    data_contents: str | None = None  # of a folder whose fingerprint is of names and sizes alone (data.rules 1)
    data_settings: dict[str, Any] = {}  # of [data]: what decides its identity and its test split, unless as of old
    limit_train: Int64Positive | None
    train_images: Int64Count | None
    condition: str | None
    k: Int64Positive | None
    init: str | None
    map: str | None


class Card(Part):
    """One exported model."""

    format_version: int = OF_IMAGES
    model: str
    family: str
    role: Literal["base", "motivated"]
    pair: str | None
    classes: Int64Positive
    class_names: tuple[str, ...]
    input: InputCard
    text: TextCard | None = None  # of a language model alone
    architecture: ArchitectureCard | None = None  # null in the cards of older programs
    weights: WeightsCard
    graph: GraphCard | None = None  # of a graph (onnx, pt2) alone
    result: ResultCard
    statistics: StatisticsCard | None = None
    evaluation: EvaluationCard
    training: TrainingCard
    seekcli: str
    torch: str
    citation: str = CITATION

    @property
    def name(self) -> str:
        """The stem of the two files: `resnet20-base`."""
        return file_stem(self.model, self.role)

    @property
    def file(self) -> str:
        return f"{self.name}.json" if self.graph is None else f"{self.weights.file}.json"

    def normalise(self, images: Tensor) -> Tensor:
        """Images [..., channels, H, W] -> float32 of the same shape, normalised as in training.

        uint8 images hold pixels 0..255; floating ones pixels that were scaled to 0..1 already. Raises ValueError for
        another dtype or number of channels.
        """
        import torch

        if self.text is not None:
            raise ValueError(f"{self.model} reads text, not images: card.encode(text) gives its tokens")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images are uint8 (0..255) or floating (0..1), got {images.dtype}")
        if images.dim() < 3 or images.shape[-3] != self.input.channels:
            raise ValueError(f"images are [..., {self.input.channels}, H, W], got {tuple(images.shape)}")
        # In the 0..255 scale and as one subtraction and one multiplication, so that a model gets the very bits that it
        # got in training. u / 255 * 255 is u again in float32 for every byte u.
        pixels = images.to(torch.float32) * (1 if images.dtype == torch.uint8 else 255)
        mean = torch.tensor(self.input.mean, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.input.std, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        return (pixels - 255.0 * mean) * (1.0 / (255.0 * std))

    def as_data(self) -> dict[str, Any]:
        """The content of the file. Weights have no graph, images no tokens, and their card no word of them."""
        left_out: dict[str, Any] = {"graph": True} if self.graph is None else {}
        if self.text is None:
            left_out |= {"text": True, "result": {"test_perplexity", "test_bits_per_byte"}}
        else:
            left_out |= {"input": {"fit", "test_crop"}}
        if self.architecture is not None and self.architecture.source_sha256 is None:
            left_out["architecture"] = {"source_sha256"}
        return self.model_dump(mode="json", exclude=left_out)

    def encode(self, text: str) -> Tensor:
        """Text -> tokens int64 [T] as a language model reads them; `[None]` makes a batch of one.

        Raises ValueError for a character that the model does not know, and for an image classifier.
        """
        return read_as(self.text, self.model).encode(text, self.class_names)

    def decode(self, tokens: Tensor) -> str:
        """Tokens [T] -> text; bytes that make no UTF-8 become U+FFFD. Raises ValueError for what is no token."""
        return read_as(self.text, self.model).decode(tokens.tolist(), self.class_names)


def file_stem(model: str, role: str) -> str:
    """`resnet20-base`. The colon of an import path may stand in no file name of some systems."""
    return f"{model.replace(':', '-')}-{role}"


def read_card(path: Path) -> Card:
    """Raises BadInput, naming the file and the first key that is wrong, for what is no card or one of a newer seek."""
    data = read_document(path)
    version = data.get("format_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise BadInput(f"{path} is not the card of an exported model (it has no format_version)")
    refuse_newer(path, version, CARD_FORMAT, "card version")
    try:
        card = Card.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"{path} is damaged: {first_problem(error)}") from None
    check_lengths(path, card)
    return card


def check_lengths(path: Path, card: Card) -> None:
    means = card.input.channels if card.text is None else 0
    expected = {
        "class_names": (len(card.class_names), card.classes),
        "input.mean": (len(card.input.mean), means),
        "input.std": (len(card.input.std), means),
    }
    for key, (found, wanted) in expected.items():
        if found != wanted:
            raise BadInput(f"{path} is damaged: {key} has {found} entries instead of {wanted}")
    measured = ("test_accuracy_percent",) if card.text is None else ("test_loss", "test_bits_per_byte")
    if lacking := [name for name in measured if getattr(card.result, name) is None]:
        raise BadInput(f"{path} is damaged: result.{lacking[0]}: Input should be a valid number")
    file = card.weights.file
    if Path(file).name != file or visible(file) != file:
        raise BadInput(f"{path} is damaged: weights.file {shown_value(file)} is not a bare file name")
