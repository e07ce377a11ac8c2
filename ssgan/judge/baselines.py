"""The stage `baselines`: what plainer methods answer about the judged rows, from the same numbers as the SSGAN.

With crossfit each goes through the same folds as the SSGAN. Methods and folds are independent of one another, so they
run in parallel, each on one thread.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from ssgan.config import BaselinesParams, read_params
from ssgan.judge.methods import CAPPED, Method, Task, learned_rows, methods, predict
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared, read_prepared
from ssgan.judge.words import FLOORS, title
from ssgan.learn.plan import Plan, Subset, hidden, scattered
from ssgan.learn.prepare import is_labelled
from ssgan.progress import say
from ssgan.project import Project


def baselines(project: Project) -> None:
    """Trains every baseline of the task and writes its answers to `reports/baselines.npz`.

        <name>.answers  probabilities [m, K] or values [m] about the judged rows
        <name>.curve    the same for each share of the curve [s, m, ...]
        <name>.rows     how many training rows it learned from
        <name>.reason   in their place, why a baseline cannot learn from these rows

    Raises:
        ParamsError: if a baseline of the user's cannot be imported.
    """
    prepared, params = read_prepared(project), read_params(project.params)
    known = methods(prepared.contract, params.baselines.more)
    plan = read_plan(prepared, params.evaluate.curve)
    stored: dict[str, Array] = {}
    said = _run([(known[name], task) for name in known for task in tasks_of(name, prepared, plan, params.baselines)])
    for number, name in enumerate(known, start=1):
        found = [next(said) for _ in tasks_of(name, prepared, plan, params.baselines)]
        stored |= _together(name, found, plan)
        stored[f"{name}.rows"] = np.array(learned_rows(name, prepared.labelled, params.baselines))
        reason = stored.get(f"{name}.reason")
        told = f"({number} of {len(known)})" if reason is None else f"is left out: {reason}"
        say(f"baselines: {title(name)} {told}")
    _store(project, stored)
    learned = sum(name.endswith(".answers") for name in stored)
    say(f"baselines: {learned} of {len(known)} learned from {int(prepared.labelled.sum())} labelled rows")


def read_plan(prepared: Prepared, shares: Sequence[float] | None) -> Plan:
    """The subsets that the SSGAN is trained on too."""
    encoder = prepared.encoder
    judged = encoder.encode_columns(prepared.judged_columns())
    return Plan.of(prepared.split, prepared.x, prepared.y, prepared.fold, judged, shares)


def answer(method: Method, task: Task) -> Array:
    """A baseline's answers on one thread, as float64, checked to be finite.

    Raises:
        ValueError: if the method cannot learn from these rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline stopped early is still a baseline
        found = predict(method(task), task)
    if not np.isfinite(found).all():
        raise ValueError("its answers are not all finite numbers")
    return found


def stored_answers(project: Project, prepared: Prepared) -> tuple[dict[str, Array], dict[str, str]]:
    """What `baselines` wrote: the answers per baseline, and the reason per baseline that is left out."""
    answers: dict[str, Array] = {}
    reasons: dict[str, str] = {}
    with np.load(project.baselines, allow_pickle=False) as stored:
        for key in stored.files:
            name, kind = key.rsplit(".", 1)
            if kind == "reason":
                reasons[name] = str(stored[key])
            elif kind == "answers" and len(stored[key]) == len(prepared.truth):
                answers[name] = stored[key]
            elif kind == "answers":
                reasons[name] = "its answers are about other rows; run `ssgan baselines` again"
    return answers, reasons


def stored_curves(project: Project) -> dict[str, Array]:
    """The answers of each baseline for each share of the curve, [s, m, ...]."""
    with np.load(project.baselines, allow_pickle=False) as stored:
        return {key.removesuffix(".curve"): stored[key] for key in stored.files if key.endswith(".curve")}


def stored_caps(project: Project, rows: int) -> dict[str, int]:
    """Of the baselines that use unlabelled rows but not all of the training `rows`: how many they learned from."""
    with np.load(project.baselines, allow_pickle=False) as stored:
        learned = [name for name in CAPPED if f"{name}.answers" in stored.files and f"{name}.rows" in stored.files]
        found = {name: int(stored[f"{name}.rows"]) for name in learned}
    return {name: count for name, count in found.items() if count < rows}


def tasks_of(name: str, prepared: Prepared, plan: Plan, knobs: BaselinesParams) -> list[Task]:
    """What a baseline is given: the whole, then each share of the curve.

    A guess that knows nothing about rows is given all labels at once: a fold's would be wrong more often than chance,
    for the class that is rarer among the others is commoner in the fold.
    """
    x, classes = _flat(prepared.x), len(prepared.contract.classes)
    if name in FLOORS:
        asked = np.concatenate([_flat(each.asked) for each in plan.whole])
        return [Task(x, prepared.y, prepared.labelled, prepared.fold, asked, classes, knobs)]
    return [
        Task(
            x, (y := hidden(prepared.y, each.learned)), is_labelled(y), prepared.fold, _flat(each.asked), classes, knobs
        )
        for step in (plan.whole, *plan.curve)
        for each in step
    ]


def _run(jobs: Sequence[tuple[Method, Task]]) -> Iterator[Array | str]:
    """The answers in order, or the reason why there are none; on all cores, as they become ready."""
    from joblib import Parallel, delayed  # type: ignore[import-untyped]  # a dependency of scikit-learn

    cores = len(os.sched_getaffinity(0))
    found: Iterator[Array | str] = Parallel(n_jobs=cores, return_as="generator")(delayed(_tried)(*job) for job in jobs)
    return found


def _tried(method: Method, task: Task) -> Array | str:
    try:
        return answer(method, task)
    except (ValueError, ArithmeticError, MemoryError) as error:
        return " ".join(str(error).split()) or type(error).__name__


def _together(name: str, found: Sequence[Array | str], plan: Plan) -> dict[str, Array]:
    """The answers of a baseline's tasks at the places of the judged rows; without any one of the whole, the reason."""
    if name in FLOORS:
        (guess,) = found
        return {f"{name}.{'reason' if isinstance(guess, str) else 'answers'}": np.asarray(guess)}
    said = iter(found)
    whole, *curve = [_scattered([next(said) for _ in step], step) for step in (plan.whole, *plan.curve)]
    if isinstance(whole, str):
        return {f"{name}.reason": np.array(whole)}
    full = [each for each in curve if not isinstance(each, str)]
    return {f"{name}.answers": whole} | ({f"{name}.curve": np.stack(full)} if full and len(full) == len(curve) else {})


def _scattered(parts: Sequence[Array | str], step: Sequence[Subset]) -> Array | str:
    answers = [each for each in parts if not isinstance(each, str)]
    if len(answers) < len(parts):
        return next(each for each in parts if isinstance(each, str))
    return scattered(answers, [each.places for each in step])


def _flat(x: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1), dtype=np.float64)


def _store(project: Project, stored: dict[str, Array]) -> None:
    path = project.baselines
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **stored)
    fresh.replace(path)
