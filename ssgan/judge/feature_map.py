"""Rows as the discriminator sees them, on a flat map: neighbours there are alike to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssgan.judge.metrics import Array, Floats
from ssgan.learn.artefact import FEATURES, Artefact
from ssgan.learn.prepare import is_labelled

ROWS = 1000  # on the map
LABELLED_ROWS = 400  # of these, at most
COMPONENTS = 30  # of the features' variance, which the map is drawn from


@dataclass(frozen=True)
class FeatureMap:
    """Where some training rows lie.

    Attributes:
        rows: int64 [n], places among the training rows.
        places: float64 [n, 2].
        labelled: bool [n].
        label: [n] class number or value; of labelled rows only.
        wanted: bool [n], the rows that should be labelled next.
    """

    rows: Array
    places: Floats
    labelled: Array
    label: Array
    wanted: Array


def has_features(artefact: Artefact) -> bool:
    """Whether the artefact tells its features; older ones do not."""
    return FEATURES in {output.name for output in artefact.session.get_outputs()}


def feature_map(artefact: Artefact, x: Array, y: Array, wanted: Array, seed: int = 0) -> FeatureMap:
    """Draws rows by lot, and places them by t-SNE of the principal components of their features.

    Args:
        artefact: that `has_features`.
        x: encoded training rows [n, ...].
        y: their labels, as `prepare` writes them.
        wanted: places of the rows that should be labelled next; all are drawn.
        seed: of the lot and of t-SNE.
    """
    known, generator = is_labelled(y), np.random.default_rng(seed)
    labelled = generator.permutation(np.flatnonzero(known))[:LABELLED_ROWS]
    others = np.setdiff1d(np.flatnonzero(~known), wanted)
    free = max(0, ROWS - len(labelled) - len(wanted))
    rows = np.sort(np.concatenate([labelled, wanted, generator.permutation(others)[:free]])).astype(np.int64)
    places = _flat(artefact.features(x[rows]), seed)
    return FeatureMap(rows, places, known[rows], y[rows], np.isin(rows, wanted))


def _flat(features: Array, seed: int) -> Floats:
    """[n, H] -> [n, 2], on one thread, so that equal features give equal places."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

    most = min(COMPONENTS, *features.shape)
    with threadpool_limits(limits=1):
        parts = PCA(most, svd_solver="full").fit_transform(features.astype(np.float64))
        if len(parts) < 10 or most < 3:  # too few for neighbourhoods, or flat already
            return np.pad(parts[:, :2], ((0, 0), (0, max(0, 2 - most))))
        model = TSNE(perplexity=min(30.0, (len(parts) - 1) / 3), init="pca", random_state=seed, n_jobs=1, max_iter=500)
        return np.asarray(model.fit_transform(parts), np.float64)
