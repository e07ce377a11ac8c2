"""What is said of a folder that is no project."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ssgan.errors import ProjectError
from ssgan.project import open_project


def test_the_command_that_makes_a_project_can_be_typed_where_the_path_has_blanks(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is not a project") as told:
        open_project(tmp_path / "no project")
    assert shlex.split(str(told.value).split("`")[1])[1:] == ["init", str(tmp_path / "no project")]
