"""What deployments are called: projects that share a Prefect server do not overwrite one another's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan.intake.version import init_repository
from ssgan.project import Project

FLOW = "named"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project without data. Do not change it: see `mine`."""
    from ssgan.start import template_files

    root = tmp_path_factory.mktemp("fresh") / "fresh"
    (root / "data").mkdir(parents=True)
    for name, file in template_files().items():
        shutil.copy(file, root / "data" / name if name == "contract.yaml" else root / name)
    init_repository(Project(root))
    return root


@pytest.fixture
def mine(fresh: Path, tmp_path: Path) -> Project:
    """One that a test may change."""
    return Project(Path(shutil.copytree(fresh, tmp_path / "mine", symlinks=True)))


def test_the_name_stays_and_is_no_other_projects(mine: Project, fresh: Path, tmp_path: Path) -> None:
    from flows.naming import deployment_name

    name = deployment_name(mine)
    contract, _, digits = name.rpartition("-")
    assert f"name: {contract}\n" in mine.contract.read_text()
    assert len(digits) == 8
    assert deployment_name(mine) == name
    copy = Project(Path(shutil.copytree(mine.root, tmp_path / "copy", symlinks=True)))
    assert deployment_name(copy) != name
    shutil.rmtree(mine.root)  # at the same place, as on another machine
    shutil.copytree(fresh, mine.root, symlinks=True)
    assert deployment_name(mine) != name


@pytest.fixture
def deployed(prefect_api: str) -> Iterator[dict[str, str]]:
    """Names of deployments that a test adds, and the project of each; the server loses them afterwards."""
    from prefect.client.orchestration import get_client

    added: dict[str, str] = {}
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name(FLOW)

        class Adding(dict[str, str]):
            def __setitem__(self, name: str, root: str) -> None:
                super().__setitem__(name, str(client.create_deployment(flow, name, parameters={"root": root})))

        added = Adding()
        yield added
        for number in set(added.values()) & {str(each) for each in _there().values()}:
            client.delete_deployment(number)


def _there() -> dict[str, object]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import DeploymentSort

    with get_client(sync_client=True) as client:
        ours = FlowFilter(name=FlowFilterName(any_=[FLOW]))
        found = client.read_deployments(flow_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC)
    return {each.name: each.id for each in found}


def test_former_names_of_a_project_are_removed_and_nobody_elses(mine: Project, deployed: dict[str, str]) -> None:
    from flows.naming import deployment_name, remove_former

    name, root = deployment_name(mine), str(mine.root)
    contract, _, digits = name.rpartition("-")
    renamed, other = f"before-{digits}", f"{contract}-0a1b2c3d"
    for each in (name, contract, renamed, other):
        deployed[each] = root
    assert sorted(remove_former(mine, FLOW, name)) == sorted([contract, renamed])
    assert _there().keys() == {name, other}
    deployed[contract] = f"{root}-of-somebody-else"
    assert remove_former(mine, FLOW, name) == []
    assert _there().keys() == {name, other, contract}
