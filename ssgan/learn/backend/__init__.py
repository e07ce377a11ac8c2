"""The one place that knows TensorFlow and JAX: device, random draws, gradients, Adam, the compiled loop.

Networks, losses, fakes and the step are written against `keras.ops` and against the names below; `tensorflow.py` and
`jax.py` give them the same meaning. Which of the two is Keras's choice, made once per process: `KERAS_BACKEND`, or
TensorFlow where that is not set. State lives in Keras variables only, so that JAX can thread it through the loop.
"""

from __future__ import annotations

import importlib
from typing import Any

from ssgan.learn.backend.copies import Copies as Copies
from ssgan.learn.backend.quiet import quiet as quiet
from ssgan.learn.backend.state import State as State
from ssgan.learn.backend.state import Tensor as Tensor
from ssgan.learn.backend.state import Variable as Variable
from ssgan.learn.backend.state import predictor as predictor
from ssgan.learn.backend.switch import BACKENDS as BACKENDS
from ssgan.learn.backend.switch import keras as keras
from ssgan.learn.backend.switch import name as name

_chosen: Any = importlib.import_module(f"ssgan.learn.backend.{name}")  # jax.py and tensorflow.py have the same names
Adam, Draws, Loop = _chosen.Adam, _chosen.Draws, _chosen.Loop
compiled, constant, copies = _chosen.compiled, _chosen.constant, _chosen.copies
deterministic, device = _chosen.deterministic, _chosen.device
rows_here, spread = _chosen.rows_here, _chosen.spread
gradients, slope, undivided = _chosen.gradients, _chosen.slope, _chosen.undivided
