"""Where a project cannot begin, or may not be written: one sentence, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.contract import read_contract
from ssgan.errors import UserError
from ssgan.project import Project, locked, writing
from ssgan.start import check_new, init

UNWRITABLE = Path("/sys")  # even for root


@pytest.mark.parametrize("where", ["/proc/mine", "afile/mine", "afile/deeper/mine", "link", "x" * 300])
def test_a_project_that_cannot_be_where_it_was_asked_for_is_refused_in_a_sentence(tmp_path, where):
    (tmp_path / "afile").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"{where} cannot be a project.*name a directory") as caught:
        init(tmp_path / where)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"afile", "link"}


@pytest.mark.parametrize(
    ("directory", "name"), [("Mein Pr\u00fcfstand 2", "mein-prufstand-2"), ("\u9879\u76ee", "project")]
)
def test_a_contract_has_the_name_of_its_directory_in_plain_letters(tmp_path, directory, name):
    source = tmp_path / "a.csv"
    source.write_text("a,y\n1,u\n2,v\n")
    made = init(tmp_path / directory, source=source, label="y")
    assert read_contract(made.contract).name == name


def test_a_demo_is_refused_before_anything_is_started_where_its_path_is_none(tmp_path):
    with pytest.raises(UserError, match="File name too long"):
        check_new(tmp_path / ("x" * 300))


def test_a_project_that_may_not_be_written_is_a_sentence_wherever_it_is_locked():
    with (
        pytest.raises(UserError, match=r"^sys cannot be written \(.*\); make it writable"),
        locked(Project(UNWRITABLE)),
    ):
        pytest.fail("it was locked")


def test_what_may_not_be_written_while_the_project_is_locked_is_a_sentence(tmp_path):
    project = Project(tmp_path)
    with pytest.raises(UserError, match=rf"^{tmp_path.name} cannot be written \(Permission denied\)"), locked(project):
        raise PermissionError(13, "Permission denied", str(project.champion))


def test_a_file_elsewhere_that_may_not_be_used_is_named_and_not_the_project(tmp_path):
    with (
        pytest.raises(UserError, match=r"^/sys/new cannot be used \(.*\); mend its permissions"),
        locked(Project(tmp_path)),
    ):
        (UNWRITABLE / "new").mkdir()


def test_an_error_that_is_not_of_disk_or_permissions_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), writing(Project(tmp_path)):
        (tmp_path / "none").read_text()
