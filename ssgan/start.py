"""`ssgan init`: a directory becomes a project."""

from __future__ import annotations

import contextlib
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from ssgan.config import set_knob
from ssgan.contract import read_contract, text_files
from ssgan.errors import ProjectError, UserError
from ssgan.examples import make_example
from ssgan.intake.draft import draft_contract
from ssgan.intake.version import init_repository
from ssgan.progress import step
from ssgan.project import Project, writing


def init(
    directory: Path,
    *,
    source: Path | None = None,
    label: str | None = None,
    id_column: str | None = None,
    group: str | None = None,
    task: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    example: str | None = None,
    knobs: Sequence[str] = (),
) -> Project:
    """Makes a project in `directory`, which must not exist yet or be empty.

    Args:
        directory: Where.
        source: The user's own file; its contract is drafted. Needs `label`.
        label: The column of `source` that holds the labels.
        id_column: The column of `source` that names a row.
        group: The column of `source` whose rows must not be divided between training and test.
        task: "classification" or "regression", where the guess from the label is not to be trusted.
        delimiter: Between the cells of a CSV; a comma by default.
        decimal: In the numbers of a CSV; a point by default.
        encoding: Of a CSV; UTF-8 by default.
        example: One of the examples instead, with its incoming batches.
        knobs: Changes to params.yaml, `section.knob=value`.

    Raises:
        ProjectError: if the directory is not empty, or cannot be made.
        UserError: if the arguments do not go together, a knob is not one, or the directory cannot be written.
        DataError: if the file cannot be read.
    """
    check_new(directory)
    written = {"delimiter": "\t" if delimiter == "\\t" else delimiter, "decimal": decimal, "encoding": encoding}
    _check(source, example, label=label, id=id_column, group=group, task=task, **written)
    files = text_files({name: value for name, value in written.items() if value is not None})
    contract = None
    if source is not None and label is not None:
        with step("draft contract") as current:
            name = _name_of(directory)
            contract = draft_contract(source, label, name, id=id_column, group=group, task=task, files=files)
            current.result = f"from {source.name}; look it over, above all the ranges"
    fresh = not directory.exists()
    with _possible(directory):
        directory.mkdir(parents=True, exist_ok=True)
    project = Project(directory.resolve())
    try:
        with writing(project):
            return _fill(project, contract, example, knobs)
    except BaseException:
        _empty(directory, remove=fresh)
        raise


def _check(source: Path | None, example: str | None, **about: str | None) -> None:
    if source is not None and example is not None:
        raise UserError("--from and --example exclude each other; give one of them")
    lonely = next((name for name, value in about.items() if value is not None), None)
    if source is None and lonely is not None:
        raise UserError(f"--from FILE and --{lonely} belong together; give the file too")
    if source is not None and about["label"] is None:
        raise UserError("--from FILE and --label COLUMN belong together; give both")


def check_new(directory: Path) -> None:
    """Checks that a project can be made in `directory`.

    Raises:
        ProjectError: if it is a file, not empty, or nowhere that a directory can be.
    """
    with _possible(directory):
        if directory.is_file():
            raise ProjectError(f"{directory} is a file; name a directory that does not exist yet")
        if directory.is_dir() and any(directory.iterdir()):
            raise ProjectError(f"{directory} is not empty; name a directory that does not exist yet, or empty this one")


@contextlib.contextmanager
def _possible(directory: Path) -> Iterator[None]:
    """Where the system has no such directory, and does not make one, a person reads one sentence."""
    try:
        yield
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())
        raise ProjectError(
            f"{directory} cannot be a project ({why}); name a directory that you can make, or one that is empty"
        ) from None


def _fill(project: Project, contract: str | None, example: str | None, knobs: Sequence[str]) -> Project:
    template = template_files()
    project.incoming.mkdir(parents=True)
    shutil.copyfile(template["params.yaml"], project.params)
    shutil.copyfile(template["dvc.yaml"], project.stages)
    if contract is None and example is None:
        shutil.copyfile(template["contract.yaml"], project.contract)
    elif contract is not None:
        project.contract.write_text(contract, encoding="utf-8")
    if example is not None:
        make_example(example, project)
    for knob in knobs:
        set_knob(project.params, knob)
    read_contract(project.contract)
    with step("git and DVC") as current:
        init_repository(project)
        current.result = f"a repository in {project.root.name}/"
    return project


def template_files() -> dict[str, Path]:
    """The three files that make a project: beside the package in a checkout, inside it where it was installed."""
    package = Path(__file__).parent
    inside = package / "template"
    if inside.is_dir():
        return {name: inside / name for name in ("params.yaml", "dvc.yaml", "contract.yaml")}
    root = package.parent
    return {
        "params.yaml": root / "params.yaml",
        "dvc.yaml": root / "dvc.yaml",
        "contract.yaml": root / "data" / "contract.yaml",
    }


def _name_of(directory: Path) -> str:
    """A name for the contract, made of the directory's: lower case letters without accents, digits and dashes."""
    letters = unicodedata.normalize("NFKD", directory.resolve().name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:40].strip("-") or "project"


def _empty(directory: Path, remove: bool) -> None:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if remove:
        directory.rmdir()
