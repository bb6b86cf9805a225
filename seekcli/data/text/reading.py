"""A text, from a file or from Python itself, and its tokens: characters or bytes. Needs no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.config.data_settings import DataConfig
from seekcli.data.sets.kept_listings import kept
from seekcli.errors import BadInput, shown_value
from seekcli.plain_data import refuse_special

if TYPE_CHECKING:
    import numpy as np

WORD, BUNDLED = "text", "pydoc"
BYTES = "bytes"


@dataclass(frozen=True)
class Text:
    """The bytes of a text and how they become tokens; `label` is a name for records, never a path.

    Raises BadInput, from any of its properties, for what is not UTF-8 and is to be read as characters.
    """

    label: str
    contents: bytes
    tokenizer: str  # "characters" or "bytes"

    @property
    def name(self) -> str:
        """`text:pydoc`"""
        return f"{WORD}:{self.label}"

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.contents).hexdigest()

    @cached_property
    def characters(self) -> str:
        try:
            return self.contents.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(
                f"--data {self.name}: is not UTF-8 text (byte {error.start:,}); --set data.tokenizer=bytes reads any "
                "file"
            ) from None

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.contents if self.tokenizer == BYTES else self.characters)

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The name of each token by its id: a character is its own name, a byte's is `0x0a`.

        Characters are those of the whole text in order of their code points, bytes are all 256.
        """
        if self.tokenizer == BYTES:
            return tuple(f"0x{byte:02x}" for byte in range(256))
        return tuple(sorted(set(self.characters)))

    @property
    def token_bytes(self) -> tuple[int, ...]:
        return bytes_of_tokens(self.tokenizer, self.vocabulary)

    def tokens(self) -> np.ndarray:
        """Ids int32 [length]."""
        import numpy as np

        if self.tokenizer == BYTES:
            return np.frombuffer(self.contents, dtype=np.uint8).astype(np.int32)
        points = np.frombuffer(self.characters.encode("utf-32-le"), dtype=np.uint32)
        known = np.array([ord(character) for character in self.vocabulary], dtype=np.uint32)
        return np.searchsorted(known, points).astype(np.int32)


def bytes_of_tokens(tokenizer: str, vocabulary: Sequence[str]) -> tuple[int, ...]:
    """How many bytes of text each token stands for, by its id."""
    return tuple(1 if tokenizer == BYTES else len(name.encode()) for name in vocabulary)


def is_text(data: DataConfig) -> bool:
    return data.name.partition(":")[0] == WORD


def text_of(data: DataConfig) -> Text:
    """The text that `data` names. Raises BadInput where there is none, or too little in it to learn from."""
    file, tokenizer = file_of(data), data.tokenizer or "characters"
    if file is None:
        return checked(Text(BUNDLED, pydoc_topics(), tokenizer))
    return kept((WORD, str(file), tokenizer), lambda: checked(Text(file.name, contents_of(file), tokenizer)))


def checked(text: Text) -> Text:
    if not text.contents:
        raise BadInput(f"--data {text.name}: the file is empty")
    symbols = len(set(text.contents)) if text.tokenizer == BYTES else len(text.vocabulary)
    if symbols < 2:
        raise BadInput(f"--data {text.name}: the same symbol throughout, {symbol_of(text)}: there is nothing to learn")
    return text


def symbol_of(text: Text) -> str:
    return f"0x{text.contents[0]:02x}" if text.tokenizer == BYTES else shown_value(text.characters[0])


def file_of(data: DataConfig) -> Path | None:
    """The file; None for the text that comes with Python. A resolved config has its path in `dir`."""
    named = data.name.partition(":")[2]
    if not named:
        raise BadInput(f"--data {data.name}: name the file, as in --data text:FILE; text:pydoc comes with Python")
    if data.dir is None:
        return None if named == BUNDLED else Path(os.path.expanduser(named))
    place = Path(os.path.expanduser(data.dir))
    if place.is_dir():
        return place / named
    if place.name != named and named != data.dir:
        raise BadInput(f"--data-dir {data.dir}: a text is named once, as in --data text:{place / named}")
    return place


def contents_of(file: Path) -> bytes:
    refuse_special(file)
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"--data text:{file}: there is no such file; text:pydoc comes with Python") from None
    except IsADirectoryError:
        raise BadInput(f"--data text:{file}: is a folder; name a file in it") from None
    except OSError as error:
        raise BadInput(f"--data text:{file}: cannot be read: {error.strerror or error}") from None


@lru_cache(maxsize=1)
def pydoc_topics() -> bytes:
    """What Python's own `help()` says of its topics, in the order of their names.

    Other versions of Python have another text: a run knows it by its contents.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise BadInput("--data text:pydoc: this Python comes without pydoc_data.topics; use --data text:FILE") from None
    return "".join(topics[name] for name in sorted(topics)).encode()
