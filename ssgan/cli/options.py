"""What the verbs share: their form, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class Verb(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epilog = f"\b\nExample:\n  {example}"


class Verbs(click.Group):
    """A group that lists its verbs in the order in which data flows, each with its whole sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        told = [(name, command.get_short_help_str(limit=1000)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(told)


def verb(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command."""
    return click.command(name, cls=Verb, example=example)


def group(name: str, text: str, example: str) -> click.Group:
    """A group of verbs about one thing."""
    return click.group(name, cls=Verbs, help=text, epilog=f"\b\nExample:\n  {example}")(lambda: None)


project_option = click.option(
    "-C",
    "--project",
    "root",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Directory of the project (default: this one).",
)
file_argument = click.argument("file", type=click.Path(path_type=Path))
knobs_option = click.option(
    "--set", "knobs", multiple=True, metavar="SECTION.KNOB=VALUE", help="Changes a knob of params.yaml; repeatable."
)
example_option = click.option(
    "--example",
    type=click.Choice(["cancer", "diabetes", "digits"]),
    default=None,
    help="Data that scikit-learn ships: a table with classes, a table with values, or images.",
)
