"""A word on the command line that no command takes: most often a name without its flag."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from seekcli.errors import BadInput, shown_value


class SeekCommand(TyperCommand):
    """A Typer command that says which flag an unexpected word may have lacked."""

    allow_extra_args = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises BadInput for a word too many."""
        super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            word = ctx.args[0]
            flag = flag_for(word)
            asks = any(flag in parameter.opts for parameter in self.params)
            hint = f"did you mean {flag} {word}?" if asks else f"`seek {ctx.info_name} --help` has what it takes"
            raise BadInput(f"unexpected {shown_value(word)}; {hint}")
        return list(ctx.args)


def flag_for(word: str) -> str | None:
    """The flag by which the word would be a name; None for one that is no name."""
    from seekcli.data.sets.kinds import kind_named
    from seekcli.models.catalog import is_model

    if kind_named(word) is not None:  # first: `folder:photos` could be a callable of a module, too
        return "--data"
    return "--model" if "-to-" in word or is_model(word) else None
