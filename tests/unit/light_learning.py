"""Learns and answers in a process where the modules named as arguments cannot be imported."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class Missing(MetaPathFinder):
    """Refuses modules, as if they were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())

import numpy as np  # noqa: E402

from ssgan import SSGANClassifier  # noqa: E402

X = np.concatenate([np.random.default_rng(0).normal(centre, 1, (60, 2)) for centre in (-2, 2)])
y = np.full(120, -1)
y[:4], y[-4:] = 0, 1
model = SSGANClassifier(steps=100, random_state=0).fit(X, y)
assert (model.predict([[-2.0, -2.0], [2.0, 2.0]]) == [0, 1]).all()
print("learned")  # noqa: T201
