"""Whether unlabelled rows are held to the labels' shares of classes is found by trial, where nobody says it."""

from __future__ import annotations

from dataclasses import replace

import learner
import numpy as np
import pytest

from ssgan.config import TrainParams
from ssgan.learn.fit import Fitted, fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.trial import ALIGN, FEW, settled

SHORT = {"steps": 500, "batch": 8, "gan_weight": 0.0}


def few(rarer: int = 1) -> learner.Case:
    """Images of two kinds with four labels each; the second kind is so many times rarer among the others."""
    case = learner.images(16, 16, rows=400)
    kept = (case.truth == 0) | (np.arange(len(case.x)) < 8) | (np.arange(len(case.x)) % (2 * rarer) == 1)
    return replace(case, x=case.x[kept], y=case.y[kept], truth=case.truth[kept])


def knobs_of(case: learner.Case, **knobs: object) -> Knobs:
    return resolve(TrainParams.model_validate({**SHORT, **knobs}), case.contract)


def tried(case: learner.Case, **knobs: object) -> float | None:
    given = knobs_of(case, **knobs)
    return settled(case.x, case.y, case.encoder, head_for(case.contract, case.y, None), given).align


def fitted(case: learner.Case, knobs: Knobs) -> Fitted:
    head = head_for(case.contract, case.y, None)
    return fit_discriminator(case.x, case.y, case.encoder, head, knobs, "test")


def test_answers_are_held_where_the_rest_has_the_shares_of_the_labels() -> None:
    assert tried(few()) == ALIGN


def test_answers_are_free_where_a_class_would_have_to_be_cut_in_two() -> None:
    assert tried(few(rarer=20)) == 0


@pytest.mark.parametrize("align", [0.0, 0.3])
def test_what_is_said_is_not_tried(align: float) -> None:
    case = few()
    given = knobs_of(case, align=align)
    assert settled(case.x, case.y, case.encoder, head_for(case.contract, case.y, None), given) is given
    assert given.align == align


def test_with_more_labels_nothing_is_held() -> None:
    case = few()
    labelled = np.where(np.arange(len(case.y)) <= 2 * FEW, case.truth, -1)  # one more than few
    assert tried(replace(case, y=labelled)) == 0


def test_without_unlabelled_rows_nothing_is_held() -> None:
    case = few()
    assert tried(replace(case, x=case.x[:8], y=case.y[:8])) == 0


@pytest.mark.parametrize("kind", ["none", "vat"])
def test_where_the_average_is_not_asked_there_is_nothing_to_hold(kind: str) -> None:
    assert knobs_of(few(), consistency=kind).align == 0
    assert knobs_of(learner.classes(), consistency=kind).align == 0


def test_a_trial_whose_loss_is_no_number_holds_nothing() -> None:
    case = few()
    assert tried(replace(case, x=np.where(case.y[:, None, None, None] < 0, np.float32(np.nan), case.x))) == 0


def test_a_trial_changes_no_bit_of_the_training_after_it() -> None:
    case = few()
    known = knobs_of(case, steps=20, align=ALIGN)
    alone = fitted(case, known)
    tried(case, steps=50)
    after = fitted(case, known)
    assert np.array_equal(alone.outputs(case.x)[0], after.outputs(case.x)[0])
