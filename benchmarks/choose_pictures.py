"""What the recipe for images was chosen by: errors on training images that are held out, never on those that judge.

    python benchmarks/choose_pictures.py --data DIR --set mnist --knobs '{"steps": 3000}' '{"steps": 3000, "sure": 0.9}'

MNIST: 5,000 of the 60,000 training images validate; SVHN digits: 1,500 of the 8,000 of split 0; scikit-learn's 8x8
digits: 500 of all. Labels are draws from number 100 on, which no table has. Runs are added to
benchmarks/results/choose_pictures.json.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import accuracy_mnist
import accuracy_svhn
import numpy as np
from grid import RESULTS
from machine import describe
from pictures import Draw, one, shown
from sklearn.datasets import load_digits

from ssgan.progress import listening

HELD_OUT = {"mnist": 5000, "svhn": 1500, "digits": 500}


def images(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training images and their labels; of SVHN those that split 0 does not test on."""
    if name == "digits":
        found = load_digits()
        return (found.images * (255 / 16)).astype(np.uint8), found.target
    draw = {"mnist": accuracy_mnist, "svhn": accuracy_svhn}[name].draw(folder, 100, 0)
    return draw.x, draw.y


def held_out(name: str, folder: Path, labels: int, number: int) -> Draw:
    """A draw whose test images are training images held out."""
    x, y = images(name, folder)
    rng = np.random.default_rng(number)
    order = rng.permutation(len(x))
    test, train = order[: HELD_OUT[name]], order[HELD_OUT[name] :]
    return Draw(x[train], y[train], shown(y[train], labels, rng), x[test], y[test])


def keep(run: dict[str, Any]) -> None:
    """Adds a run to the result file."""
    path = RESULTS / "choose_pictures.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"runs": []}
    result = {**before, "machine": describe(), "runs": [*before["runs"], run]}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Runs, prints and keeps what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the downloaded sets")
    parser.add_argument("--set", choices=list(HELD_OUT), required=True)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--draws", nargs="*", type=int, default=[100])
    parser.add_argument("--knobs", nargs="*", default=["{}"], help="JSON, one run each")
    given = parser.parse_args()
    for number in given.draws:
        draw = held_out(given.set, given.data, given.labels, number)
        for text in given.knobs:
            knobs = json.loads(text)
            with listening(lambda event: print(event.text, flush=True)):
                found = one(draw, number, told=True, **knobs)
            line = {"set": given.set, "labels": given.labels, "draw": number, "knobs": knobs, **found}
            line["at"] = datetime.now(UTC).isoformat(timespec="seconds")
            print(line, flush=True)
            keep(line)


if __name__ == "__main__":
    main()
