"""A trained artefact becomes a BentoML model and a Bento: the one door to building with BentoML."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

import serving
import ssgan
from ssgan import settings
from ssgan.errors import ArtefactError, NotPromotedError, ProjectError, ToolError
from ssgan.intake.version import head, trained_version
from ssgan.judge.words import OURS
from ssgan.learn.artefact import Artefact
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import GateDecision, Lineage, RunRecord
from ssgan.ship.champion import model_folder, read_champion
from ssgan.ship.needs import pinned
from ssgan.ship.packaged import load_packaged, seal

# What the service imports; TensorFlow, Prefect, DVC and Great Expectations are not among them.
# httptools and uvloop are never imported by name: uvicorn takes them where they are.
SERVICE_NEEDS = ("bentoml", "httptools", "numpy", "onnxruntime", "pillow", "pyarrow", "pydantic", "pyyaml", "uvloop")


def package(project: Project) -> str:
    """Builds the Bento of the challenger that the gate let through; one that is there already, and whole, is kept.

    Returns:
        The tag of the model and of the Bento, `ssgan-<name>:<first 12 digits of the digest>`.

    Raises:
        ProjectError: if there is no gate decision, or it is about another model.
        NotPromotedError: if the gate said keep.
        ToolError: if BentoML fails.
    """
    decision = _decision(project)
    artefact = Artefact.load(project.model if decision.entrant == OURS else project.winner)
    if decision.challenger != artefact.digest:
        raise ProjectError(f"the gate judged another model than the one in {artefact.folder}; run `ssgan gate` again")
    tag = f"ssgan-{artefact.contract.name}:{artefact.digest[:12]}"
    lineage = _lineage(project, artefact, decision, tag)
    os.environ["BENTOML_HOME"] = str(project.bentos)
    project.bentos.mkdir(exist_ok=True)
    if not _is_whole(model_folder(project, tag)):
        _store_model(project, artefact, lineage, with_card=decision.entrant == OURS)
    if not bento_folder(project, tag).is_dir():
        _build_bento(project, lineage)
    return tag


def bento_folder(project: Project, tag: str) -> Path:
    """Where BentoML keeps a Bento."""
    name, _, version = tag.partition(":")
    return project.bentos / "bentos" / name / version


def _decision(project: Project) -> GateDecision:
    if not project.gate.is_file():
        from ssgan.console import typed

        raise ProjectError(f"{project.root} has no gate decision; run `{typed('gate', '-C', project.root)}` first")
    decision = GateDecision.read(project.gate)
    if decision.decision == "keep":
        raise NotPromotedError(decision.sentence)
    return decision


def _lineage(project: Project, artefact: Artefact, decision: GateDecision, tag: str) -> Lineage:
    champion = read_champion(project)
    if champion is not None and champion.digest == artefact.digest:
        return champion.lineage  # where a model comes from does not change when it is packaged again
    version = trained_version(project)
    return Lineage(
        model=tag,
        digest=artefact.digest,
        data_version=version.name if version else "none",
        data_hash=RunRecord.read(artefact.folder / "run.json").data_hash,
        git_commit=head(project),
        gate="forced" if decision.forced else decision.decision,
    )


def _is_whole(folder: Path) -> bool:
    try:
        load_packaged(folder)
    except ArtefactError:
        return False
    return True


def _store_model(project: Project, artefact: Artefact, lineage: Lineage, with_card: bool) -> None:
    """`with_card`: whether the card of `reports` is this model's; it tells of the SSGAN, not of a baseline that won."""
    import bentoml

    shutil.rmtree(model_folder(project, lineage.model), ignore_errors=True)
    about = {"digest": lineage.digest, "task": artefact.contract.task}
    with bentoml.models.create(lineage.model, labels=_labels(lineage), metadata=about) as model:
        for file in sorted(artefact.folder.iterdir()):
            shutil.copyfile(file, Path(model.path) / file.name)
        seal(Path(model.path), lineage, project.card if with_card else None)


def _labels(lineage: Lineage) -> dict[str, str]:
    """What BentoML shows of a model and of its Bento."""
    return {"data_version": lineage.data_version, "git_commit": lineage.git_commit, "gate": lineage.gate}


def _build_bento(project: Project, lineage: Lineage) -> None:
    """Builds in a process of its own: BentoML imports the service, and changes the interpreter's state while at it."""
    say("package: building the Bento")
    with tempfile.TemporaryDirectory(prefix="ssgan-bento-") as name:
        context = Path(name)
        _write_context(context, lineage)
        command = [sys.executable, "-m", "bentoml", "build", "--version", lineage.model.partition(":")[2], "."]
        environment = settings.environment() | {"BENTOML_HOME": str(project.bentos)}
        done = subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ToolError(f"BentoML could not build {lineage.model}; its last lines:\n{tail}")


def _write_context(context: Path, lineage: Lineage) -> None:
    """The source of the Bento: this package, the service, the name of its model, and what has to be installed."""
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(Path(ssgan.__file__).parent, context / "ssgan", ignore=skip)
    shutil.copytree(Path(serving.__file__).parent, context / "serving", ignore=skip)
    (context / "serving" / "model.tag").write_text(lineage.model, encoding="utf-8")
    bentofile = {
        "service": "serving.service:Discriminator",
        "name": lineage.model.partition(":")[0],
        "labels": _labels(lineage),
        "include": ["ssgan/**", "serving/**"],
        "python": {"packages": pinned(SERVICE_NEEDS), "lock_packages": False},
    }
    (context / "bentofile.yaml").write_text(yaml.safe_dump(bentofile, sort_keys=False), encoding="utf-8")
    (context / "README.md").write_text(
        f"# {lineage.model}\n\n```json\n{json.dumps(lineage.model_dump(), indent=2)}\n```\n", encoding="utf-8"
    )
