"""The one door to DVC and git: accepted data becomes a version, and stages run.

A version is a commit with a tag `data-<n>`. The tag comes last, after the content is pushed: where there is a tag,
everything behind it is there too, and what an interrupted run has left without one can simply be done again.
The caller holds the project's lock.
"""

from ssgan.intake.version.content import cached_file, has_content, listed, restore_content
from ssgan.intake.version.dvc import PATIENCE, out_of_date, outputs, push, repro, run_dvc, stages
from ssgan.intake.version.repository import (
    REMOTE,
    clear_locks,
    commit,
    head,
    init_repository,
    is_committed,
    require_repository,
    restore_file,
)
from ssgan.intake.version.versions import (
    TAG,
    accept_version,
    authored,
    content_of,
    current_version,
    message_of,
    put_back,
    tags,
    trained_version,
    verdicts_at,
    version_named,
)

__all__ = [
    "PATIENCE",
    "REMOTE",
    "TAG",
    "accept_version",
    "authored",
    "cached_file",
    "clear_locks",
    "commit",
    "content_of",
    "current_version",
    "has_content",
    "head",
    "init_repository",
    "is_committed",
    "listed",
    "message_of",
    "out_of_date",
    "outputs",
    "push",
    "put_back",
    "repro",
    "require_repository",
    "restore_content",
    "restore_file",
    "run_dvc",
    "stages",
    "tags",
    "trained_version",
    "verdicts_at",
    "version_named",
]
