"""Class activation maps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Unpack, get_args

from trulens_core.attribution.method import AttributionMethod, Options
from trulens_core.attribution.questions import as_question
from trulens_core.backends import Backend, Gradients, Tensor, Want
from trulens_core.distributions import DoI, as_doi
from trulens_core.distributions.points import LazyPoints
from trulens_core.errors import CutError
from trulens_core.influence.questions import Question
from trulens_core.influence.statistics import Evaluated, Parts, Running, Statistic
from trulens_core.quantities import as_qoi
from trulens_core.slices import Slice, target_cut

Kind = Literal["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"]


class GradCAM(AttributionMethod):
    """Class activation maps: where in a layer's maps the evidence for a quantity is.

    With A the layer's maps, g = ∂q/∂A, and means and sums over the places of a map:

    - "gradcam": Σ_c mean(g_c) A_c (Selvaraju et al., 2017)
    - "gradcam++": Σ_c w_c A_c, w_c = Σ α relu(g_c), α = g² / (2 g² + g³ Σ A) (Chattopadhay et
      al., 2018)
    - "hirescam": Σ_c g_c A_c, which is faithful to the gradient place by place (Draelos and Carin,
      2020)
    - "layercam": Σ_c relu(g_c) A_c (Jiang et al., 2021)
    - "xgradcam": Σ_c w_c A_c, w_c = Σ g_c A_c / Σ A_c (Fu et al., 2020)

    and relu of the whole. One pass gives it. Maps have 1, 2 or 3 axes of places.

    Args:
        model: a model or its wrapper.
        layer: whose maps: a cut, a name or an index; as a rule the last that has places.
        kind: which of these.
        relu: whether what speaks against the quantity is dropped, as in the papers.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        channel_axis: of the maps; None is the layer's own custom for images, and the last axis of
            values of rank 3, where the framework has that of images last too.
        grid: of tokens (records, tokens, channels), the rows and columns that they are patches of.
        prefix: how many tokens come before the patches: 1 where there is a class token.
        doi: a distribution over whose points maps are averaged; "point" is the record itself.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Returns:
        Maps shaped as the layer's value, with one channel: (records, 1, rows, columns) where
        channels come first. `explain(x).upsampled(x)` has them in the size of x.

    Raises:
        ValueError: for another kind, or anything that is no cut or quantity.
        CutError: when used, at a layer without places or of several tensors, for a grid that does
            not fit, and where it cannot be told which axis holds the channels.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> GradCAM(model, "relu2").attributions(x).shape
        (2, 1, 4, 4)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        layer: Any,
        kind: Kind = "gradcam",
        relu: bool = True,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        channel_axis: int | None = None,
        grid: tuple[int, int] | None = None,
        prefix: int = 0,
        doi: DoI | str = "point",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, **options)
        if kind not in get_args(Kind):
            raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(Kind))}")
        self._parts = Slice(target_cut(layer), qoi_cut), as_qoi(qoi), as_doi(doi)
        self._maps = kind, bool(relu), channel_axis, grid, prefix
        self.question()

    def _question(self) -> Question:
        cuts, qoi, doi = self._parts
        kind, relu, axis, grid, prefix = self._maps
        at = self.model.resolved(cuts.from_cut)
        if len(at.parts()) > 1:
            raise CutError(f"GradCAM takes the maps of one layer, and {at} names several")
        layout = Layout(axis, self.model.channel_axis(at), grid, prefix)
        statistic = MapSum(kind, relu, layout)
        return as_question(self.model, cuts, qoi, doi, False, statistic=statistic)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a layer's value is maps of channels.

    Attributes:
        given: the axis of the channels, where the caller says it.
        of_images: that of images at the layer, where the model knows it.
        grid: rows and columns of tokens, where they are patches.
        prefix: how many tokens come before the patches.
    """

    given: int | None
    of_images: int | None
    grid: tuple[int, int] | None
    prefix: int

    def maps(self, x: Tensor, backend: Backend) -> Tensor:
        """A value (k, b, …) as maps: tokens on their grid."""
        if self.grid is None and not self.prefix:
            return x
        shape = tuple(int(n) for n in x.shape)
        places = shape[2] - self.prefix
        rows = self.grid or (places,)
        if len(shape) != 4 or places < 1 or math.prod(rows) != places:
            raise CutError(
                f"GradCAM: grid={self.grid} and prefix={self.prefix} do not fit a value of shape "
                f"{shape[1:]}; it is to be (records, prefix + rows · columns, channels)"
            )
        return backend.xp.reshape(x[:, :, self.prefix :], (*shape[:2], *rows, shape[3]))

    def channels(self, maps: Tensor) -> int:
        """The axis of the channels in maps (k, b, …)."""
        rank, shape = len(maps.shape) - 1, tuple(maps.shape[1:])
        if rank < 3:
            raise CutError(
                f"GradCAM: the layer's value has shape {shape}, without places; take a layer that "
                "has maps, or InternalInfluence for units"
            )
        axis = self._axis(rank)
        if axis is None or not -rank <= axis < rank or axis % rank == 0:
            raise CutError(
                f"GradCAM cannot tell which axis holds the channels of a value of shape {shape}; "
                "give channel_axis=, such as 1 or -1"
            )
        return axis % rank + 1

    def _axis(self, rank: int) -> int | None:
        if self.grid:
            return -1
        if self.given is not None or rank > 3:
            return self.of_images if self.given is None else self.given
        # where images have their channels first, a series may have them there, or be of tokens
        return None if self.of_images == 1 and not self.prefix else -1


class MapSum(Statistic):
    """The weighted mean of class activation maps over the points, see `GradCAM`."""

    want: ClassVar[frozenset[Want]] = frozenset({"points", "activations"})

    def __init__(self, kind: Kind, relu: bool, layout: Layout) -> None:
        self.kind: Kind = kind
        self.relu: bool = relu
        self.layout: Layout = layout

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        del points
        return _Maps(self, backend)


class _Maps:
    """The running sum of maps."""

    def __init__(self, statistic: MapSum, backend: Backend) -> None:
        self._statistic, self._backend = statistic, backend
        self._total: list[Tensor] = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        if len(got.activations) != 1:
            raise CutError(
                f"GradCAM takes the maps of one tensor, and its layer gives "
                f"{len(got.activations)}; choose one with Cut(..., accessor=)"
            )
        backend, layout = self._backend, self._statistic.layout
        maps = layout.maps(backend.accumulator(got.activations[0]), backend)
        places = _Places(backend, layout.channels(maps), len(maps.shape))
        combined, w = places.of(self._statistic.kind), backend.from_numpy(seen.weights)
        gradients = [layout.maps(backend.accumulator(gs[0]), backend) for gs in got.gradients]
        new = [backend.weighted_sum(combined(g, maps), w) for g in gradients]
        old = self._total
        self._total = [a + b for a, b in zip(old, new, strict=True)] if old else new

    def finish(self) -> Parts:
        xp = self._backend.xp
        if not self._statistic.relu:
            return Parts([[t] for t in self._total])
        return Parts([[xp.maximum(t, xp.zeros_like(t))] for t in self._total])


class _Places:
    """How gradients and maps of all channels become one map."""

    def __init__(self, backend: Backend, axis: int, rank: int) -> None:
        self._xp = backend.xp
        self._axis = axis
        self._axes = tuple(i for i in range(2, rank) if i != axis)

    def of(self, kind: Kind) -> Callable[[Tensor, Tensor], Tensor]:
        """The formula of a kind."""
        return {
            "gradcam": self._gradcam,
            "gradcam++": self._gradcam_plus_plus,
            "hirescam": self._hirescam,
            "layercam": self._layercam,
            "xgradcam": self._xgradcam,
        }[kind]

    def _sum(self, x: Tensor) -> Tensor:
        return self._xp.sum(x, axis=self._axes, keepdims=True)

    def _over_channels(self, x: Tensor) -> Tensor:
        return self._xp.sum(x, axis=self._axis, keepdims=True)

    def _positive(self, x: Tensor) -> Tensor:
        return self._xp.maximum(x, self._xp.zeros_like(x))

    def _ratio(self, a: Tensor, b: Tensor) -> Tensor:
        """A / b, and 0 where b is 0."""
        zero = self._xp.abs(b) <= 0
        found = a / self._xp.where(zero, self._xp.full_like(b, 1.0), b)
        return self._xp.where(zero, self._xp.zeros_like(found), found)

    def _gradcam(self, g: Tensor, maps: Tensor) -> Tensor:
        return self._over_channels(self._xp.mean(g, axis=self._axes, keepdims=True) * maps)

    def _gradcam_plus_plus(self, g: Tensor, maps: Tensor) -> Tensor:
        square = g * g
        alpha = self._ratio(square, 2.0 * square + square * g * self._sum(maps))
        return self._over_channels(self._sum(alpha * self._positive(g)) * maps)

    def _hirescam(self, g: Tensor, maps: Tensor) -> Tensor:
        return self._over_channels(g * maps)

    def _layercam(self, g: Tensor, maps: Tensor) -> Tensor:
        return self._over_channels(self._positive(g) * maps)

    def _xgradcam(self, g: Tensor, maps: Tensor) -> Tensor:
        weights = self._ratio(self._sum(g * maps), self._sum(maps))
        return self._over_channels(weights * maps)
