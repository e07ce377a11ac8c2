"""The user's own networks, named by import path: `package.module`, or `package.module:name` for an object in it.

It must have

    discriminator(encoder, head, draws, seed) -> Keras model: x -> [features [n, H], outputs [n, head.width]]

and may have

    generator(encoder, seed) -> Keras model: numbers [n, any number] -> encoded rows

`ssgan.learn.flat` is an example. Noise in them comes from the layers of `ssgan.learn.layers`.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

from ssgan.errors import ParamsError
from ssgan.learn.backend import Draws, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head


def source_digest(path: str | None) -> str:
    """The sha256 of the module's file, so that no run goes on with other networks than it began with; "" without one.

    Raises:
        ParamsError: if it cannot be imported.
    """
    file = None if path is None else getattr(_module(path), "__file__", None)
    return "" if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()


def their_discriminator(path: str, encoder: Encoder, head: Head, draws: Draws, seed: int) -> Any:
    """The user's discriminator.

    Raises:
        ParamsError: if it cannot be imported, or is not what the training step needs.
    """
    model = _made(path, "discriminator", _function(path, "discriminator"), encoder, head, draws, seed)
    _check_rows(path, "discriminator must take", model.inputs[0], encoder)
    if len(model.outputs) != 2:
        raise _wrong(path, "discriminator must give [features, outputs]", f"it gives {len(model.outputs)} tensors")
    if len(model.outputs[0].shape) != 2:
        raise _wrong(
            path, "discriminator must give features [n, H]", f"their shape is {_shown(model.outputs[0].shape)}"
        )
    if model.outputs[1].shape[-1] != head.width or len(model.outputs[1].shape) not in (2, 3):
        needed = f"discriminator must give outputs [n, {head.width}]"
        raise _wrong(path, needed, f"their shape is {_shown(model.outputs[1].shape)}")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            needed = "discriminator must treat every row by itself"
            raise _wrong(path, needed, f"layer {layer.name!r} is a batch norm", "use weight norm or layer norm")
    return model


def their_generator(path: str, encoder: Encoder, seed: int) -> Any | None:
    """The user's generator; None if there is none.

    Raises:
        ParamsError: if it cannot be imported, or is not what the training step needs.
    """
    function = _function(path, "generator", optional=True)
    if function is None:
        return None
    model = _made(path, "generator", function, encoder, seed)
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 2 or model.inputs[0].shape[-1] is None:
        shapes = ", ".join(_shown(each.shape) for each in model.inputs)
        raise _wrong(path, "generator must take numbers [n, Z]", f"it takes {shapes}")
    _check_rows(path, "generator must give", model.outputs[0], encoder)
    return model


def _module(path: str) -> Any:
    name = path.partition(":")[0]
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the user's module raises
        raise ParamsError(
            f"`train.networks` must be importable; importing {name!r} fails with {str(error)!r}: "
            "correct it, install it, or put its folder on PYTHONPATH"
        ) from error


def _function(path: str, name: str, optional: bool = False) -> Any:
    home = _module(path)
    for part in filter(None, path.partition(":")[2].split(".")):
        if not hasattr(home, part):
            raise ParamsError(f"`train.networks` names {part!r} in {home.__name__}, which has no such name: correct it")
        home = getattr(home, part)
    function = getattr(home, name, None)
    if function is None and optional:
        return None
    if not callable(function):
        raise ParamsError(f"`train.networks` must have a function `{name}`; {path} has none: write it there")
    return function


def _made(path: str, name: str, function: Any, *given: Any) -> Any:
    try:
        model = function(*given)
    except Exception as error:
        raise ParamsError(f"`train.networks`: {path}: {name} fails with {str(error)!r}: correct it") from error
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        found = f"it gives a {type(model).__name__}"
        raise _wrong(path, f"{name} must give a functional Keras model", found, "make it with keras.Model(x, outputs)")
    for layer in model._flatten_layers():
        if getattr(layer, "seed_generator", None) is not None:
            needed = f"{name} must draw its noise from the run's draws"
            found = f"layer {layer.name!r} ({type(layer).__name__}) has a random state of its own"
            raise _wrong(path, needed, found, "use Noise, Dropout or ChannelDropout of ssgan.learn.layers")
    return model


def _check_rows(path: str, what: str, tensor: Any, encoder: Encoder) -> None:
    if tuple(tensor.shape[1:]) != encoder.shape:
        raise _wrong(path, f"{what} rows {_shown((None, *encoder.shape))}", f"its shape is {_shown(tensor.shape)}")


def _wrong(path: str, needed: str, found: str, do: str = "change it") -> ParamsError:
    return ParamsError(f"`train.networks`: {path}: {needed}; {found}: {do}")


def _shown(shape: Any) -> str:
    return "[" + ", ".join("n" if size is None else str(size) for size in shape) + "]"
