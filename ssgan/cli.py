"""The command `ssgan`: one verb per stage, the same words as in `dvc.yaml`, `params.yaml` and the flows.

Everything heavy is imported inside the verbs, so that `ssgan --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ssgan import __version__, settings
from ssgan.errors import SsganError

EXIT_CODES = """\b
Exit codes:
  0  done (also when some rows went to quarantine)
  1  our fault, or that of a tool we call
  2  yours: a bad file, knob or argument
  3  the batch was rejected
  4  the challenger was not promoted
  5  a version did not come out again as it was recorded
  130, 143  interrupted, or ended by a signal
"""


class _Verb(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epilog = f"\b\nExample:\n  {example}"


class _Verbs(click.Group):
    """Lists the verbs in the order in which data flows, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=_Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ssgan")
def cli() -> None:
    """Partly labelled data in, a served model out: a workflow around a semi-supervised GAN.

    Start with `ssgan demo`, or with your own table: `ssgan init DIR --from FILE.csv --label COLUMN`, then
    `ssgan run -C DIR FILE.csv`.
    """


def _verb(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    return cli.command(name, cls=_Verb, example=example)


_project = click.option(
    "-C",
    "--project",
    "root",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Directory of the project (default: this one).",
)
_file = click.argument("file", type=click.Path(path_type=Path))
_knobs = click.option(
    "--set", "knobs", multiple=True, metavar="SECTION.KNOB=VALUE", help="Changes a knob of params.yaml; repeatable."
)
_example = click.option("--example", type=click.Choice(["cancer", "diabetes", "digits"]), default=None)


@_verb("init", "ssgan init mine --from patients.csv --label health_level")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--from", "source", type=click.Path(path_type=Path), help="Your file; its contract is drafted.")
@click.option("--label", help="The column of --from that holds the labels.")
@click.option("--id", "id_column", help="The column of --from that names a row.")
@click.option("--group", help="The column of --from whose rows belong together, such as the patient.")
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="Instead of guessing it from the label."
)
@click.option("--delimiter", help="Between the cells of a CSV (default: a comma).")
@click.option("--decimal", type=click.Choice([".", ","]), help="In the numbers of a CSV (default: a point).")
@click.option("--encoding", help="Of a CSV (default: utf-8).")
@_example
@_knobs
def init(directory: Path, source: Path | None, knobs: tuple[str, ...], **what: Any) -> None:
    """Makes a project: a directory with params.yaml, dvc.yaml, data/contract.yaml, git and DVC."""
    from ssgan.console import shown
    from ssgan.start import init as make

    with shown() as console:
        make(directory, source=source, knobs=knobs, **what)
        file = source or "FILE"
        contract = directory / "data" / "contract.yaml"
        text = f"{directory} is ready; look {contract} over, then `ssgan run -C {directory} {file}`"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


@_verb("ingest", "ssgan ingest -C mine march.csv")
@_project
@_file
def ingest(root: Path, file: Path) -> None:
    """Takes one file in: accepted, accepted without its bad rows, or rejected."""
    from ssgan.console import shown
    from ssgan.intake.ingest import ingest as take_in
    from ssgan.intake.version import require_repository
    from ssgan.intake.wait import locked_patiently
    from ssgan.progress import step
    from ssgan.project import open_project

    project = open_project(root)
    require_repository(project)
    with shown(), locked_patiently(project), step(f"intake {file.name}") as current:
        current.result = take_in(project, file).sentence


@_verb("run", "ssgan run -C mine march.csv")
@_project
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--force", metavar="REASON", help="Promote whatever the gate says; the reason is recorded.")
def run(root: Path, files: tuple[Path, ...], force: str | None) -> None:
    """The whole way: takes FILES in, trains, judges and, if the gate agrees, packages and promotes."""
    from ssgan.console import shown
    from ssgan.run import run as whole_way

    with shown() as console:
        whole_way(root, files, force, console)


def _stage(name: str, text: str) -> None:
    """A verb that DVC calls; by hand it computes the same, without DVC's bookkeeping."""

    @_verb(name, f"ssgan {name} -C mine")
    @_project
    def verb(root: Path) -> None:
        import importlib

        from ssgan.config import read_params
        from ssgan.console import told_line_by_line
        from ssgan.progress import say
        from ssgan.project import open_project

        project = open_project(root)
        with told_line_by_line():
            say(f"{name}: loading")
            if name == "train":
                os.environ["KERAS_BACKEND"] = read_params(
                    project.params
                ).train.backend  # before keras is first imported
            room = "learn" if name in ("prepare", "train") else "judge"
            getattr(importlib.import_module(f"ssgan.{room}.{name}"), name)(project)

    verb.help = f"{text} Run by `dvc repro`, which also remembers what came out."


def _verbs(name: str, text: str, example: str) -> click.Group:
    """A group of verbs about one thing."""
    return cli.group(name, help=text, epilog=f"\b\nExample:\n  {example}")(lambda: None)


_data = _verbs("data", "The versions of the accepted data.", "ssgan data log -C mine")
_held = _verbs(
    "quarantine", "Refused rows: look at them, repair them, send them again.", "ssgan quarantine list -C mine"
)
_contract = _verbs("contract", "What a batch must be.", "ssgan contract diff -C mine old.yaml")


@_data.command("log")
@_project
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def data_log(root: Path, as_json: bool) -> None:
    """Every version, newest first: when, by whom, rows, labels, and the batches that came with it."""
    import json
    from dataclasses import asdict

    from ssgan.intake.history import log
    from ssgan.project import open_project

    versions = log(open_project(root))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in versions], indent=2))
        return
    for each in versions:
        labels = ", ".join(f"{name} {count}" for name, count in each.labelled.items())
        click.echo(f"{each.name}  {each.when}  {each.who}  {each.rows} rows; {labels}")
        for batch in each.batches:
            click.echo(f"    {batch}")


@_data.command("diff")
@_project
@click.argument("first")
@click.argument("second")
def data_diff(root: Path, first: str, second: str) -> None:
    """What lies between two versions: rows, labels, and columns that moved."""
    from ssgan.intake.history import diff
    from ssgan.project import open_project

    click.echo("\n".join(diff(open_project(root), first, second).lines()))


@_data.command("restore")
@_project
@click.argument("version")
def data_restore(root: Path, version: str) -> None:
    """Makes the data what they were at VERSION, as a new version."""
    from ssgan.console import shown
    from ssgan.intake.history import restore
    from ssgan.intake.ingest import settle
    from ssgan.intake.wait import locked_patiently
    from ssgan.project import open_project

    project = open_project(root)
    with shown(), locked_patiently(project):
        settle(project)
        made = restore(project, version)
    click.echo(f"{made.name}: the data of {version}, {made.rows} rows")


@_held.command("list")
@_project
def quarantine_list(root: Path) -> None:
    """Every batch with rows in quarantine, and why they are there."""
    from ssgan.intake.quarantine import held
    from ssgan.project import open_project

    found = held(open_project(root))
    click.echo("\n".join(each.line() for each in found) or "no row is in quarantine")


@_held.command("show")
@_project
@click.argument("batch")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="CSV file to write and to repair.")
def quarantine_show(root: Path, batch: str, out: Path) -> None:
    """Writes the rows of BATCH as they arrived, with their row numbers and reasons."""
    from ssgan.intake.quarantine import write_held
    from ssgan.project import open_project

    rows = write_held(open_project(root), batch, out)
    click.echo(f"{rows} rows in {out}; repair them and `ssgan quarantine release {batch} --from {out}`")


@_held.command("release")
@_project
@click.argument("batch")
@click.option("--from", "repaired", type=click.Path(path_type=Path), help="The rows of `show`, repaired.")
def quarantine_release(root: Path, batch: str, repaired: Path | None) -> None:
    """Sends the rows of BATCH through again: repaired, or as they are under a contract that has changed."""
    from ssgan.console import shown
    from ssgan.intake.quarantine import release
    from ssgan.intake.wait import locked_patiently
    from ssgan.project import open_project

    project = open_project(root)
    with shown(), locked_patiently(project):
        verdict = release(project, batch, repaired)
    click.echo(verdict.sentence)


@_contract.command("diff")
@_project
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
def contract_diff(root: Path, old: Path, new: Path | None) -> None:
    """What changed from OLD to NEW (default: the project's contract), and which accepted batches would not pass NEW."""
    from ssgan.contract import read_contract
    from ssgan.intake.rejudge import changes, no_longer_passing
    from ssgan.project import open_project

    project = open_project(root)
    made = read_contract(new or project.contract)
    click.echo("\n".join(changes(read_contract(old), made)) or "nothing changed")
    refused = no_longer_passing(project, made)
    click.echo(
        "\n".join(["accepted batches that would not pass:", *refused]) if refused else "every accepted batch passes"
    )


_stage("prepare", "Divides the accepted rows into training and test rows, and fits the encoder.")
_stage("train", "Trains the SSGAN and its supervised twin, and exports both without the generator.")
_stage("calibrate", "Makes probabilities, sets and intervals of the raw outputs.")
_stage("baselines", "Trains who else has a try at the same rows.")
_stage("evaluate", "Judges the model and the baselines on the test rows, and writes reports/report.html.")


@_verb("gate", "ssgan gate -C mine")
@_project
@click.option("--force", metavar="REASON", help="Promote whatever the rules say; the reason is recorded.")
def gate(root: Path, force: str | None) -> None:
    """Says whether the challenger may replace the champion."""
    from ssgan.errors import NotPromotedError
    from ssgan.judge.gate import gate as judge
    from ssgan.judge.gate import is_new
    from ssgan.project import locked, open_project

    project = open_project(root)
    with locked(project):
        decision = judge(project, force)
    if decision.decision == "keep" and is_new(decision):
        raise NotPromotedError(decision.sentence)
    click.echo(decision.sentence)


@_verb("package", "ssgan package -C mine")
@_project
def package(root: Path) -> None:
    """Builds the Bento of the model that the gate let through."""
    from ssgan.console import shown
    from ssgan.project import locked, open_project
    from ssgan.ship.package import package as build

    project = open_project(root)
    with locked(project), shown():
        tag = build(project)
    click.echo(tag)


@_verb("promote", "ssgan promote -C mine ssgan-mine:0a1b2c3d4e5f")
@_project
@click.argument("tag")
def promote(root: Path, tag: str) -> None:
    """Makes a packaged model the champion."""
    from ssgan.intake.version import commit
    from ssgan.project import locked, open_project
    from ssgan.ship.champion import promote as point_to

    project = open_project(root)
    with locked(project):
        champion = point_to(project, tag)
        commit(
            project,
            [project.champion, project.champions, project.judged_of(champion.digest)],
            f"Promote {champion.tag}",
        )
    click.echo(f"{champion.tag} is the champion; before it: {champion.previous or 'none'}")


@_verb("rollback", "ssgan rollback -C mine")
@_project
def rollback(root: Path) -> None:
    """Makes the champion's predecessor the champion again."""
    from ssgan.intake.version import commit
    from ssgan.project import locked, open_project
    from ssgan.ship.champion import rollback as step_back

    project = open_project(root)
    with locked(project):
        champion = step_back(project)
        commit(project, [project.champion, project.champions], f"Roll back to {champion.tag}")
    click.echo(f"{champion.tag} is the champion again")


@_verb("serve", "ssgan serve -C mine --port 3000")
@_project
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of serve.port in params.yaml.")
@click.option("--instead", is_flag=True, help="Of the service that runs now: it ends once this one answers.")
@click.option("--switch", metavar="COMMAND", help="With --instead: points your proxy at $SSGAN_URL.")
@click.option("--drain", type=click.FloatRange(0), default=5.0, show_default=True, help="Seconds before it ends.")
def serve(root: Path, port: int | None, instead: bool, switch: str | None, drain: float) -> None:
    """Serves the champion, and every champion after it, until interrupted."""
    from ssgan.project import open_project
    from ssgan.ship.champion import require_champion
    from ssgan.ship.serve import require_running, serving_champion, take_over

    project = open_project(root)
    before = require_running(project) if instead else None
    with serving_champion(project, port) as service:
        tag = require_champion(project).tag
        click.echo(f"{tag} answers at {service.url}/v1/predict; people go to {service.url}/ui; stop it with Ctrl-C")
        if before is not None:
            take_over(project, before, service.url, switch, drain)
        service.wait_for_end()


@_verb("key", "ssgan key -C mine ward-7")
@_project
@click.argument("name")
def key(root: Path, name: str) -> None:
    """Makes an API key for NAME and prints it; the file serve.keys keeps its sha256 alone."""
    from ssgan.config import read_params
    from ssgan.project import open_project
    from ssgan.ship.keys import make_key

    project = open_project(root)
    file = read_params(project.params).serve.keys
    made = make_key(project.root / (file or "keys.txt"), name)
    click.echo(made)
    if file is None:
        click.echo("nobody is asked for a key yet: set serve.keys to keys.txt in params.yaml", err=True)


_shadow = _verbs(
    "shadow", "A challenger beside the champion: the same requests, differences counted.", "ssgan shadow report -C mine"
)


@_shadow.command("start")
@_project
@click.argument("tag")
def shadow_start(root: Path, tag: str) -> None:
    """Lets the packaged model TAG answer in the shadow of the champion."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import start

    click.echo(f"{start(open_project(root), tag).tag} answers in the shadow, wherever the service of this project runs")


@_shadow.command("stop")
@_project
def shadow_stop(root: Path) -> None:
    """Ends the comparison; what was found stays."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import stop

    click.echo(f"{stop(open_project(root))} answers no more")


@_shadow.command("report")
@_project
@click.argument("tag", required=False)
def shadow_report(root: Path, tag: str | None) -> None:
    """How the answers of TAG (default: the latest challenger) differ from the champion's."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import report

    click.echo(report(open_project(root), tag))


@_verb("score", "ssgan score -C mine april.csv -o answers.parquet")
@_project
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option(
    "--bad",
    type=click.Choice(["mark", "quarantine", "fail"]),
    default="mark",
    help="What becomes of a row that the contract forbids: it stays in the file, with the reason and no answer (the "
    "default); it goes to OUT.quarantine.parquet; or nothing is written.",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Threads (default: one per core).")
def score(root: Path, source: Path, out: Path, bad: Any, workers: int | None) -> None:
    """The champion answers every record of SOURCE: a file, or a folder of CSV and Parquet files.

    A run that was killed goes on where it was, and ends with the same bytes.
    """
    from ssgan.console import shown
    from ssgan.progress import step
    from ssgan.project import open_project
    from ssgan.ship.score import score as answer

    with shown(), step(f"score {source.name}") as current:
        current.result = answer(open_project(root), source, out, bad, workers).sentence(out)


@_verb("labels", "ssgan labels -C mine -n 50 -o requests.csv")
@_project
@click.option("-n", "count", type=click.IntRange(1), default=50, show_default=True, help="How many rows.")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="CSV (images: folder) or JSON to write."
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "label-studio"]), default="csv", show_default=True, help="Of --out."
)
@click.option(
    "--from",
    "export",
    type=click.Path(path_type=Path),
    help="A JSON export of Label Studio: its answers become a batch.",
)
def labels(root: Path, count: int, out: Path, form: Any, export: Path | None) -> None:
    """The unlabelled rows that a person should label next, and why; filled in, the file is a batch of late labels."""
    from ssgan.console import told_line_by_line
    from ssgan.judge.labels import labels as choose
    from ssgan.judge.requests import write_answers
    from ssgan.project import open_project

    project = open_project(root)
    if export is not None:
        rows = write_answers(project, export, out)
        click.echo(f"{rows} answers in {out}; `ssgan ingest` takes them in")
        return
    with told_line_by_line():
        rows = choose(project, count, out, form)
    click.echo(f"{rows} rows in {out}; fill in the labels and `ssgan ingest` takes them in")


@_verb("reproduce", "ssgan reproduce -C mine data-2")
@_project
@click.argument("version")
@click.option("--tolerance", type=click.FloatRange(min=0), help="Of a metric on another device (default: 0.02).")
@click.option("--into", type=click.Path(path_type=Path), help="New folder for the clone, which is then kept.")
def reproduce(root: Path, version: str, tolerance: float | None, into: Path | None) -> None:
    """Computes VERSION again in a clean clone, and says whether every byte is as it was recorded.

    VERSION is one of the data (data-2: its last training), or of a model: its tag (ssgan-mine:0a1b2c3d4e5f) or the
    start of its digest.
    """
    from ssgan.console import shown
    from ssgan.errors import DiffersError
    from ssgan.project import open_project
    from ssgan.ship.reproduce import TOLERANCE
    from ssgan.ship.reproduce import reproduce as compute_again

    with shown():
        found = compute_again(open_project(root), version, TOLERANCE if tolerance is None else tolerance, into)
    *lines, verdict = found.lines()
    click.echo("\n".join([*lines, verdict] if found.holds else lines))
    if not found.holds:
        raise DiffersError(verdict)


@_verb("schedule", "ssgan schedule -C mine --cron '0 3 * * *'")
@_project
@click.option("--cron", required=True, metavar="CRON", help="When, as five cron fields.")
def schedule(root: Path, cron: str) -> None:
    """Takes in what waits in data/incoming and retrains, on a schedule, one run at a time, until interrupted."""
    from ssgan.run import schedule as start

    start(root, cron)


@_verb("status", "ssgan status -C mine --json")
@_project
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(root: Path, as_json: bool) -> None:
    """What data was accepted, which model is in service, and what is out of date."""
    from ssgan.status import show

    show(root, as_json)


@_verb("demo", "ssgan demo --example cancer demo/")
@click.argument("directory", type=click.Path(path_type=Path), default=Path("demo"))
@_example
@_knobs
def demo(directory: Path, example: str | None, knobs: tuple[str, ...]) -> None:
    """The main job on data that scikit-learn ships: three batches in, a served model out."""
    from ssgan.console import shown
    from ssgan.demo import demo as show

    with shown() as console:
        show(directory, example or "cancer", knobs, console)


def main() -> None:
    """Runs the command; every error becomes one sentence and an exit code."""
    settings.apply()
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that every block ends, and with it every child process
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        code = cli(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("ssgan: interrupted", err=True)
        code = 130
    except SsganError as error:
        click.echo(f"ssgan: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 1
    except Exception as error:
        click.echo(f"ssgan: {_internal(error)}", err=True)
        code = 1
    sys.stdout.flush()
    sys.exit(code)


def _internal(error: Exception) -> str:
    """Tells of a fault of ours; the traceback goes to a file, not into the user's face."""
    import tempfile

    name = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if os.environ.get("SSGAN_TRACEBACK"):
        traceback.print_exc()
    with tempfile.NamedTemporaryFile("w", prefix="ssgan-error-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return f"this is our fault ({name}); the details are in {file.name}, please report them"
