"""A project with a contract, a repository and nothing else."""

from __future__ import annotations

from pathlib import Path

from ssgan.intake import version
from ssgan.project import Project


def begun(root: Path, contract: str, remote: str | None = None) -> Project:
    """The project at a place where nothing is yet; `remote`: of DVC, beside it where none is named."""
    project = Project(root)
    project.incoming.mkdir(parents=True)
    project.params.write_text("{}")
    project.stages.write_text("stages: {}")
    project.contract.write_text(contract)
    version.init_repository(project, remote)
    return project
