"""One service over a small model, shared by tests that do not change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made import add_model, make_project, served
from starlette.testclient import TestClient

from ssgan.project import Project


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project with one packaged model, and its tag."""
    project = make_project(tmp_path_factory.mktemp("toy") / "project")
    return project, add_model(project)


@pytest.fixture(scope="session")
def asked(toy: tuple[Project, str]) -> Iterator[TestClient]:
    """Its service, with small limits."""
    with served(*toy, body_at_most_mb=0.25, file_rows_at_most=500) as (client, _):
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """A project of the test's own, without a model."""
    return make_project(tmp_path / "project")
