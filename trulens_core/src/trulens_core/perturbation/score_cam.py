"""Score-CAM: maps of a layer, weighted by what their places in the input are worth."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Unpack

import numpy as np

from trulens_core.attribution.cam import Layout
from trulens_core.attribution.method import AttributionMethod, Options
from trulens_core.attribution.questions import as_question
from trulens_core.backends import Backend, Gradients, Tensor
from trulens_core.distributions import PointDoi
from trulens_core.distributions.placements import of_elements
from trulens_core.distributions.points import LazyPoints, Records
from trulens_core.distributions.replacements import Replacement, replacement
from trulens_core.errors import CutError
from trulens_core.influence.questions import Question
from trulens_core.influence.statistics import Evaluated, Parts, Running, Statistic
from trulens_core.influence.work import Work
from trulens_core.quantities import as_qoi
from trulens_core.results.upsampling import channels_of, upsampled
from trulens_core.slices import Slice, source_cut, target_cut

_ENDS = 2
"""The points before the maps: the record, and its baseline."""


class ScoreCAM(AttributionMethod):
    """Class activation maps without gradients (Wang et al., 2020).

    Each map of the layer, enlarged to the input and scaled to [0, 1], is a soft mask of it; what
    the quantity gains over the baseline there, softmax over the channels, is the map's weight:
    relu(Σ_c softmax(q(x ⊙ M_c) − q(baseline)) A_c). One pass per channel.

    Args:
        model: a model or its wrapper.
        layer: whose maps: a cut, a name or an index; as a rule the last that has places.
        relu: whether what speaks against the quantity is dropped, as in the paper.
        baseline: what takes the place of what is masked, see `Perturbation`; None is zeros.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: what is masked; None is the input.
        channel_axis: of the maps, see `GradCAM`.
        grid: of tokens, see `GradCAM`.
        prefix: how many tokens come before the patches.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Returns:
        Maps shaped as the layer's value, with one channel; `explain(x).upsampled(x)` has them in
        the size of x.

    Raises:
        ValueError: for anything that is no cut or quantity, and for options of gradients.
        CutError: when used, at a layer without places or of several tensors.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> ScoreCAM(model, "relu2").attributions(x).shape
        (2, 1, 4, 4)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        layer: Any,
        *,
        relu: bool = True,
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        channel_axis: int | None = None,
        grid: tuple[int, int] | None = None,
        prefix: int = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, **options)
        self._parts = Slice(target_cut(layer), qoi_cut), as_qoi(qoi), source_cut(doi_cut)
        self._maps = bool(relu), baseline, channel_axis, grid, prefix
        self.question()

    def _question(self) -> Question:
        cuts, qoi, doi_cut = self._parts
        relu, baseline, axis, grid, prefix = self._maps
        at, source = self.model.resolved(cuts.from_cut), self.model.resolved(doi_cut)
        layout = Layout(axis, self.model.channel_axis(at), grid, prefix)
        statistic = ScoreMaps(layout, relu, baseline, self.model.channel_axis(source))
        doi = PointDoi(cut=source)
        return as_question(self.model, cuts, qoi, doi, False, doi_cut=source, statistic=statistic)


@dataclasses.dataclass(frozen=True)
class _Maps:
    """The maps of some records, (b, …) on the device, and their channels' axis there."""

    maps: Tensor
    axis: int


class ScoreMaps(Statistic):
    """The sum of a layer's maps by what they are worth as masks, see `ScoreCAM`."""

    gradients: ClassVar[bool] = False

    def __init__(self, layout: Layout, relu: bool, baseline: Any, image_axis: int | None) -> None:
        self.layout: Layout = layout
        self.relu: bool = relu
        self.baseline: Any = baseline
        self.image_axis: int | None = image_axis

    def prepared(self, points: LazyPoints, work: Work) -> LazyPoints:
        del points
        q, backend = work.question, work.question.wrapper.backend
        (z,) = _one(work.at_records[q.doi_cut], q.doi_cut)
        (a,) = _one(q.wrapper.activations(work.inputs, [q.source])[q.source], q.source)
        maps = self.layout.maps(backend.xp.expand_dims(a, axis=0), backend)
        found = _Maps(maps[0], self.layout.channels(maps) - 1)
        b = int(z.shape[0])
        records = Records([z], work.inputs, backend, 0, b, b)
        put = replacement(self.baseline, records, random=False, seed=0)
        if put.copies > 1:
            raise ValueError("ScoreCAM takes one baseline")
        masks = _Masks(found, z, put, self.image_axis, backend)
        return LazyPoints((1 / masks.n,) * masks.n, masks, plan=found)

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        return _Weighing(self, points.plan, backend)


def _one(tensors: list[Tensor], cut: Any) -> list[Tensor]:
    if len(tensors) != 1:
        raise CutError(
            f"ScoreCAM takes one tensor, and {cut} holds {len(tensors)}; choose one with accessor="
        )
    return tensors


class _Masks:
    """The record, its baseline, and the record masked by each map."""

    def __init__(
        self, maps: _Maps, z: Tensor, put: Replacement, axis: int | None, backend: Backend
    ) -> None:
        self._z, self._put, self._backend = z, put, backend
        self._maps = np.moveaxis(backend.to_numpy(maps.maps).astype("float64"), maps.axis, 0)
        # what has no custom of its own is taken to have its channels where the layer has them
        of_maps = np.expand_dims(self._maps[0], maps.axis).shape
        self._axis = channels_of(tuple(z.shape), of_maps) if axis is None else axis
        self.n: int = len(self._maps) + _ENDS

    def __call__(self, i: int, j: int) -> list[Tensor]:
        masks = np.concatenate([self._mask(p) for p in range(i, j)])
        base = self._put.values(i, j, None)[0]
        return [of_elements(self._z, base, masks, self._backend)]

    def _mask(self, p: int) -> Any:
        """(1, b, …), with channels of length 1, or of ones and zeros for the ends."""
        if p < _ENDS:
            return self._scaled(np.full((1, *self._maps.shape[1:]), 1.0 - p), ends=True)
        return self._scaled(self._maps[p - _ENDS : p - _ENDS + 1])

    def _scaled(self, maps: Any, ends: bool = False) -> Any:
        wide = upsampled(np.expand_dims(maps[0], self._axis), self._z, self._axis)
        if ends:
            return wide[np.newaxis]
        axes = tuple(range(1, wide.ndim))
        low, high = wide.min(axis=axes, keepdims=True), wide.max(axis=axes, keepdims=True)
        return ((wide - low) / np.where(high > low, high - low, 1.0))[np.newaxis]


class _Weighing:
    """The quantities of all masks, then the sum of the maps."""

    def __init__(self, statistic: ScoreMaps, maps: _Maps, backend: Backend) -> None:
        self._statistic, self._maps, self._backend = statistic, maps, backend
        self._q: list[list[Any]] = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        del seen
        host = self._backend.to_numpy
        self._q.append([np.asarray(host(q), "float64") for q in got.quantities])

    def finish(self) -> Parts:
        columns = [np.concatenate(parts) for parts in zip(*self._q, strict=True)]
        like = self._backend.accumulator(self._maps.maps[:0])
        return Parts(
            [[self._map(q)] for q in columns],
            quantity=[self._backend.from_numpy(q[0], like=like) for q in columns],
            n_evaluations=np.full(columns[0].shape[1], len(columns[0])),
        )

    def _map(self, q: Any) -> Tensor:
        gained = q[_ENDS:] - q[1]
        e = np.exp(gained - gained.max(axis=0))
        xp, axis, maps = self._backend.xp, self._maps.axis, self._maps.maps
        shape = [1] * len(maps.shape)
        shape[0], shape[axis] = e.shape[1], e.shape[0]
        weights = np.ascontiguousarray((e / e.sum(axis=0)).T.reshape(shape))
        wide = self._backend.accumulator(maps)
        total = xp.sum(
            self._backend.from_numpy(weights, like=wide) * wide, axis=axis, keepdims=True
        )
        return xp.maximum(total, xp.zeros_like(total)) if self._statistic.relu else total
