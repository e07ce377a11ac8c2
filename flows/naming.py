"""What a project's deployment is called, on a Prefect server that other projects may use too."""

from __future__ import annotations

import contextlib
import hashlib
import secrets

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
from prefect.client.schemas.sorting import DeploymentSort

from ssgan.contract import read_contract
from ssgan.project import Project, writing

_DRAWN = "deployment"  # in the runtime directory: tells apart what lies at the same place on two machines
_DIGITS = 8
_MOST = 200  # that the server names at a time


def deployment_name(project: Project) -> str:
    """The contract's name, and digits that no other project has: not a clone or a copy, nor one on another machine.

    It stays while the project stays where it is, however often it is scheduled.

    Raises:
        UserError: if the project may not be written.
    """
    return f"{read_contract(project.contract).name}-{_digits(project)}"


def remove_former(project: Project, flow: str, name: str) -> list[str]:
    """Removes deployments that this project had under other names, so that nothing is due that nobody serves.

    Such a name has the same digits after another name of the contract, or is the contract's name alone, as it once was.
    Runs that are over stay.

    Args:
        project: The parameter `root` of its deployments is its directory.
        flow: Of which flow.
        name: The one that stays.

    Returns:
        The names that are gone.
    """
    wanted = DeploymentFilterName(any_=[read_contract(project.contract).name])
    same = DeploymentFilterName(like_=f"-{_digits(project)}")
    gone = []
    with get_client(sync_client=True) as client:
        for names in (wanted, same):
            for found in client.read_deployments(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
                deployment_filter=DeploymentFilter(name=names),
                limit=_MOST,
                sort=DeploymentSort.NAME_ASC,
            ):
                if found.name != name and found.parameters.get("root") == str(project.root):
                    client.delete_deployment(found.id)
                    gone.append(found.name)
    return gone


def _digits(project: Project) -> str:
    file = project.runtime / _DRAWN
    with writing(project):
        project.runtime.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError), file.open("x", encoding="ascii") as handle:
            handle.write(secrets.token_hex(16))
        drawn = file.read_text(encoding="ascii", errors="replace")
    return hashlib.sha256(f"{drawn} {project.root}".encode()).hexdigest()[:_DIGITS]
