"""Which backend Keras runs on: chosen before keras is first imported, checked at once."""

from __future__ import annotations

import os
import sys

from ssgan.errors import ParamsError
from ssgan.learn.backend.quiet import quiet

BACKENDS = ("tensorflow", "jax")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes three quarters of a card at once
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "keras" not in sys.modules and os.environ["KERAS_BACKEND"] not in ("", *BACKENDS):  # Keras takes "" for none
    raise ParamsError(
        f"KERAS_BACKEND must be {' or '.join(BACKENDS)}; it is {os.environ['KERAS_BACKEND']!r}: set it to one of them"
    )
with quiet():
    try:
        import keras as keras  # whoever wants keras takes it from here, after the switches above
    except ModuleNotFoundError as error:
        raise ParamsError(
            f"KERAS_BACKEND is {os.environ['KERAS_BACKEND']!r}, but {error.name!r} is not installed: "
            'in the checkout of ssgan run `pip install ".[jax]"`, or set it to "tensorflow"'
        ) from None

name: str = keras.backend.backend()
if name not in BACKENDS:
    raise ParamsError(
        f"Keras already runs on {name!r} in this process, but ssgan needs one of {', '.join(BACKENDS)}: "
        "set KERAS_BACKEND=tensorflow before the first import of keras"
    )
