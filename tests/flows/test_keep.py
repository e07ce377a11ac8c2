"""What follows when the gate says keep, up to somebody who insists; and a packaged model that was damaged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision
from ssgan.ship.champion import model_folder
from ssgan.ship.packaged import load_packaged

Ran = tuple[Path, subprocess.CompletedProcess[str]]
FAILED = 'in service, because the rule "better than the guess" failed'


def git(project: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=project, capture_output=True, text=True, check=True).stdout


def packaged(project: Path) -> set[str]:
    """Tags of the models that can be promoted."""
    return {f"{folder.parent.name}:{folder.name}" for folder in (project / "bento" / "models").glob("*/*/")}


def test_a_run_whose_model_the_gate_keeps_out_ends_with_4_and_leaves_the_champion(
    kept: Ran, cancer: tuple[Path, str]
) -> None:
    project, done = kept
    champion = Champion.read(cancer[0] / "champion.json")
    assert done.returncode == 4, done.stderr
    *lines, last = done.stderr.strip().splitlines()
    assert last.startswith(f"ssgan: Keep {champion.tag} {FAILED}")
    assert f"The report: {project / 'reports' / 'gate.html'}" in lines
    assert [line.partition(" -C ")[0].split()[-1] for line in lines[-2:]] == ["labels", "run"]  # what to do now
    decision = GateDecision.read(project / "reports" / "gate.json")
    assert (decision.decision, decision.champion, decision.forced) == ("keep", champion.digest, None)
    assert decision.challenger == Evaluation.read(project / "reports" / "evaluation.json").model != champion.digest
    for name in ("champion.json", "champion.history.jsonl"):
        assert (project / name).read_bytes() == (cancer[0] / name).read_bytes()
    assert packaged(project) == {champion.tag}
    assert git(project, "status", "--porcelain") == ""  # what was found is committed
    assert git(project, "log", "-1", "--format=%s") == "Train on data-2: keep\n"


@pytest.mark.parametrize("verb", ["package", "gate"])
def test_what_the_gate_keeps_out_is_refused_by_hand_too(kept: Ran, verb: str, ssgan_here) -> None:
    project, _ = kept
    code, said = ssgan_here(verb, "-C", project)
    assert code == 4, said
    assert FAILED in said.strip().splitlines()[-1]
    assert len(packaged(project)) == 1
    assert git(project, "status", "--porcelain") == ""


def test_who_gives_a_reason_has_it_promoted_and_the_reason_recorded(forced: Ran, kept: Ran) -> None:
    project, done = forced
    assert done.returncode == 0, done.stderr
    before, now = (Champion.read(each / "champion.json") for each in (kept[0], project))
    decision = GateDecision.read(project / "reports" / "gate.json")
    assert (decision.decision, decision.forced) == ("promote", "the ward asks for it")
    assert decision.sentence.startswith("Promote by force (the ward asks for it) although the rule")
    assert (now.digest, now.previous, now.lineage.gate) == (decision.challenger, before.tag, "forced")
    bento = project / "bento" / "bentos" / now.tag.replace(":", "/") / "bento.yaml"
    assert yaml.safe_load(bento.read_text())["labels"]["gate"] == "forced"
    assert packaged(project) == {before.tag, now.tag}
    assert git(project, "status", "--porcelain") == ""


def test_a_packaged_model_that_was_damaged_is_made_again_as_it_was(project: Path, ssgan) -> None:
    champion = Champion.read(project / "champion.json")
    folder = model_folder(Project(project), champion.tag)
    whole = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "model.yaml"}  # BentoML's, dated
    weights = folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])
    (folder / "card.md").unlink()
    done = ssgan("package", "-C", project)
    assert (done.returncode, done.stdout) == (0, f"{champion.tag}\n"), done.stderr
    load_packaged(folder, champion)
    assert {name: (folder / name).read_bytes() for name in whole} == whole
    assert git(project, "status", "--porcelain") == ""
