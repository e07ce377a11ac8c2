"""What the estimators share: the knobs, the way from X to the networks, files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ssgan.config import Content, FakesKind
from ssgan.errors import ParamsError
from ssgan.learn import stored
from ssgan.learn.artefact import Artefact, Predictions, answers
from ssgan.learn.encode import Encoder
from ssgan.learn.form import Form
from ssgan.learn.given import checked, one_dimension, params_of, seed_of, wanted
from ssgan.learn.labels import group_names
from ssgan.learn.notices import of_columns, of_new_words
from ssgan.learn.tabular import Layout
from ssgan.progress import Cautions, caution


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share. Keras is imported by the first fit, so that `load` and `predict` need none.

    Attributes:
        fitted_: the trained networks; None after `load`.
        artefact_: what was loaded; None after a fit.
        committee_: what joins the discriminator, if it answers with a committee.
        contract_, encoder_, layout_: what the fit found in X.
        knobs_: every knob as it was used.
        warnings_: what a person should know of labels, columns, fakes, and classes that are never answered, in words;
            each was an `SSGANWarning` too.
    """

    def __init__(
        self,
        *,
        steps: int | None = None,
        batch: int | None = None,
        unlabelled: int | None = None,
        learning_rate: float | None = None,
        warmup: float = 0.0,
        cooldown: float | None = None,
        hidden: Sequence[int] = (128, 128),
        members: int = 1,
        weight_norm: bool | None = None,
        noise: float | None = None,
        content: Content | None = None,
        shift: int | None = None,
        warp: float | None = None,
        stir: float | None = None,
        cutout: float | None = None,
        tint: float | None = None,
        mirror: bool = False,
        head: Literal["huber", "gaussian", "buckets"] | None = None,
        networks: str | None = None,
        embedding: Literal["piecewise", "periodic", "none"] = "piecewise",
        fakes: FakesKind | None = None,
        refined_share: float = 0.5,
        gan_weight: float | None = None,
        ramp: float | None = None,
        matching: Literal["squared", "absolute", "non-saturating"] = "squared",
        pull_away_weight: float = 0.0,
        complement_weight: float = 0.0,
        manifold_weight: float = 0.0,
        entropy_weight: float = 0.0,
        consistency: Literal["none", "ict", "mean teacher", "pseudo-label", "vat"] | None = None,
        consistency_weight: float | None = None,
        align: float | None = None,
        sure: float = 0.95,
        teacher_weight: float | None = None,
        teach_from: float | None = None,
        ema: float | None = None,
        recent: float | None = None,
        update: Literal["simultaneous", "alternating"] = "simultaneous",
        rows: Literal["held", "streamed"] | None = None,
        precision: Literal["float32", "bfloat16"] = "float32",
        answer: Literal["discriminator", "committee"] = "discriminator",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.steps = steps
        self.batch = batch
        self.unlabelled = unlabelled
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.cooldown = cooldown
        self.hidden = hidden
        self.members = members
        self.weight_norm = weight_norm
        self.noise = noise
        self.content = content
        self.shift = shift
        self.warp = warp
        self.stir = stir
        self.cutout = cutout
        self.tint = tint
        self.mirror = mirror
        self.head = head
        self.networks = networks
        self.embedding = embedding
        self.fakes = fakes
        self.refined_share = refined_share
        self.gan_weight = gan_weight
        self.ramp = ramp
        self.matching = matching
        self.pull_away_weight = pull_away_weight
        self.complement_weight = complement_weight
        self.manifold_weight = manifold_weight
        self.entropy_weight = entropy_weight
        self.consistency = consistency
        self.consistency_weight = consistency_weight
        self.align = align
        self.sure = sure
        self.teacher_weight = teacher_weight
        self.teach_from = teach_from
        self.ema = ema
        self.recent = recent
        self.update = update
        self.rows = rows
        self.precision = precision
        self.answer = answer
        self.random_state = random_state

    def fake_probability(self, X: Any) -> np.ndarray:
        """float64 [n]: how unlike the training rows each row is, 0 .. 1."""
        return self._ask(X).fake_probability

    def disagreement(self, X: Any) -> np.ndarray:
        """[n]: how far the members of the network are apart; 0 with `members=1`. See `Artefact.disagreement`."""
        x = self._encoded(X)
        return self.artefact_.disagreement(x) if self.artefact_ is not None else self.fitted_.disagreement(x)

    def sample(self, n: int = 1, random_state: int | np.random.RandomState | None = 0) -> Any:
        """n fake rows from what made them in training, before `save` drops it; names and types are those of X.

        Whole numbers with gaps among them are of pandas' type `Int64`, where X held them as objects.

        Args:
            n: how many, at least 1.
            random_state: equal numbers give equal rows; None: others each time.

        Raises:
            ParamsError: if there was no real/fake term, or the estimator was loaded.
            InputError: if n is not such a number.
        """
        check_is_fitted(self)
        if self.fitted_ is None or self.fitted_.fakes is None:
            why = "it was loaded, and a saved model has none" if self.fitted_ is None else "gan_weight is 0"
            raise ParamsError(f"sampling needs the source of fakes, which this estimator has not: {why}; fit another")
        seed = random_state if isinstance(random_state, int | np.integer) else seed_of(random_state)
        fakes = self.fitted_.fakes.sample(self._training_rows, wanted(n), int(seed))
        return self._form.rows(np.asarray(fakes, np.float32), self.layout_, self.encoder_)

    def save(self, folder: str | Path) -> str:
        """Writes an artefact (ONNX, JSON, npz; see docs), and returns its digest. The generator stays behind.

        Raises:
            ParamsError: if there is something in the folder, or the estimator was loaded itself.
        """
        check_is_fitted(self)
        return stored.save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """An estimator that answers as the saved one did. Needs ONNX Runtime, not Keras.

        Raises:
            ArtefactError: if a file is missing or damaged, or it was saved by another kind of estimator, or version.
        """
        model, artefact = cls(), Artefact.load(Path(folder))
        about = stored.read(Path(folder), cls.__name__, model.get_params())
        model.set_params(**{**about.params, "hidden": tuple(about.params["hidden"])})
        model._place(artefact.contract, artefact.encoder, about.layout, None, artefact)
        model.committee_, model.knobs_, model.warnings_ = None, about.knobs, about.warnings
        model._named(about)
        return model

    def __getstate__(self) -> dict[str, Any]:
        if getattr(self, "fitted_", None) is not None or getattr(self, "artefact_", None) is not None:
            raise TypeError("a fitted SSGAN is not pickled: write it with `save(folder)`, read it with `load(folder)`")
        state: dict[str, Any] = super().__getstate__()
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags

    def _fit(
        self,
        X: Any,
        y: np.ndarray,
        classes: tuple[str, ...] | None,
        callbacks: Iterable[Any] | None,
        groups: Any,
        validation: tuple[Any, np.ndarray] | None,
        cautions: Cautions,
    ) -> None:
        from ssgan.learn.fit import as_callbacks, committee_of, fit_discriminator
        from ssgan.learn.heads import head_for
        from ssgan.learn.knobs import resolve
        from ssgan.learn.lessons import taught_by
        from ssgan.learn.prepare import is_labelled
        from ssgan.learn.trial import settled

        callbacks = as_callbacks(callbacks)
        groups = None if groups is None else group_names(one_dimension(X, groups, self, "groups"))
        layout = Layout.of(X, cautions.add)
        columns = layout.columns(X)
        contract = layout.contract_of(columns, classes)
        encoder = Encoder.fit(columns, contract)
        x = layout.encode_read(X, columns, encoder)
        knobs = resolve(params_of(self), contract, x)
        head = head_for(contract, y, knobs.head)
        cautions.add_all(of_columns(columns, dict(zip(layout.names, layout.kinds, strict=True)), encoder))
        if is_labelled(y).all():
            cautions.add(f"all {len(y)} rows have a label, so there is nothing to learn from unlabelled ones")
        name = "regressor" if classes is None else "classifier"
        knobs = settled(x, y, encoder, head, knobs)
        taught = taught_by(x, y, encoder, head, knobs, groups)
        told = None if validation is None else (layout.encode(validation[0], encoder), validation[1])
        fitted = fit_discriminator(
            x, y, encoder, head, knobs, name, callbacks=callbacks, taught=taught, validation=told
        )
        self._place(contract, encoder, layout, fitted, None)
        self.committee_ = committee_of(taught, knobs)
        cautions.add_all(fitted.warnings)
        self.knobs_, self.warnings_ = knobs.as_record(), tuple(cautions.told)
        self._training_rows, self._labels, self._form = x, y, Form.of(X, layout, columns, encoder)

    def _place(self, contract: Any, encoder: Encoder, layout: Layout, fitted: Any, artefact: Artefact | None) -> None:
        self.contract_, self.encoder_, self.layout_ = contract, encoder, layout
        self.fitted_, self.artefact_ = fitted, artefact
        self.n_features_in_ = int(layout.shape[-1] if encoder.image is None else np.prod(layout.shape))

    def _named(self, about: stored.About) -> None:
        if about.feature_names is not None:
            self.feature_names_in_ = np.asarray(about.feature_names, object)

    def _encoded(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        if self.encoder_.image is not None:
            self.layout_.require_images(X)
        X = checked(self, X, fitting=False)
        columns = self.layout_.columns(X)
        for text in of_new_words(columns, self.contract_, self.encoder_):
            caution(text)
        return self.layout_.encode_read(X, columns, self.encoder_)

    def _ask(self, X: Any, alone: bool = False) -> Predictions:
        x = self._encoded(X)
        if self.artefact_ is not None:
            return self.artefact_.predict_alone(x) if alone else self.artefact_.predict_encoded(x)
        task, realness = self.fitted_.outputs(x)
        if self.committee_ is not None and not alone:
            task = self.committee_.task(task, x)
        return answers(self.contract_, self.fitted_.head.metadata, task, realness)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")
