"""What `explain` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trulens_core.visualizations.text_outputs import TextPicture

_SHOWN = 8
"""Records whose numbers are printed."""


@dataclasses.dataclass(frozen=True, repr=False)
class AttributionResult:
    """An explanation with all that tells how good it is.

    Arrays are of the caller's kind: NumPy in, NumPy out; tensors in, tensors out. Where there are
    several quantities or tensors, lists: `[quantity][tensor]`, lists of one unwrapped.

    Attributes:
        attributions: shaped as the value at the source cut, in units of the quantity where the
            activation's multiplier was applied, else of quantity per activation.
        gradients: each point's gradients, (points, records, …); None unless `return_grads`.
        interventions: the distribution's points, (points, records, …); None unless `return_doi`.
        quantity: q at the records, (records,), or (records, k) for k quantities.
        baseline_quantity: q at the baseline, alike; None where `residual` is.
        residual: q(x) − q(baseline) − Σ attributions per record, alike: by how much completeness
            fails, the quadrature's error. None unless the distribution has a baseline, lives at
            the source cut, and its own multiplier is applied.
        n_points: how many points were used, (records,) ints (NumPy).
        converged: whether a stated tolerance was met, (records,) bools (NumPy); None where none
            was stated.
        standard_error: of the attributions, shaped as they are, where points are drawn at random.
        n_evaluations: how many rows went through the model, (records,) ints (NumPy), where that
            is not told by `n_points`.
        activation: the value at the source cut, (records, …), where a method gives it.
        segments: what was kept or removed together, a `Segments` or its regions.
        inputs: what was explained, where it is kept.
        names: of "features", "classes", "inputs" or "quantities", each a list, and of "tokens", a
            list for each record; `plot` reads them.
        qoi: the quantity, as plain data or in words.
        method: which method with which options made it: a dict of JSON's types, never the model.
        coverage: which operations the rules of the backward pass were applied to.

    All but the attributions are None where they do not apply, or were not asked for. A notebook
    shows a result as numbers and a picture; `plot` draws one.

    Example:
        >>> import numpy as np
        >>> AttributionResult(attributions=np.ones((2, 3)), residual=np.array([0.25, 0.5]))
        AttributionResult(attributions: float64 (2, 3), residual: [0.25 0.5 ])
    """

    attributions: Any
    gradients: Any = None
    interventions: Any = None
    quantity: Any = None
    baseline_quantity: Any = None
    residual: Any = None
    n_points: Any = None
    converged: Any = None
    standard_error: Any = None
    n_evaluations: Any = None
    activation: Any = None
    segments: Any = None
    inputs: Any = None
    names: Mapping[str, Sequence[Any]] | None = None
    qoi: Any = None
    method: Mapping[str, Any] | None = None
    coverage: Any = None

    def __repr__(self) -> str:
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        known = [f"{name}: {_described(value)}" for name, value in fields if value is not None]
        return f"AttributionResult({', '.join(known)})"

    def _repr_html_(self) -> str:
        from trulens_core.visualizations.result_html import result_as_html  # only when shown

        return result_as_html(self)

    def upsampled(self, x: Any, *, channel_axis: int | None = None) -> AttributionResult:
        """The result with maps of a layer in the size of what was explained.

        Interpolated linearly between the middles of their places, constant beyond.

        Args:
            x: what was explained, (records, channels, …) or (records, …, channels).
            channel_axis: of x; None: the axis 1 or the last one, whichever has 1, 3 or 4, or else
                where the maps have theirs.

        Raises:
            ValueError: for maps without places or of several channels, and where it cannot be told
                which axis holds the channels.

        Example:
            >>> import numpy as np
            >>> maps = AttributionResult(attributions=np.array([[[[0.0, 1.0]]]]))
            >>> maps.upsampled(np.zeros((1, 3, 1, 8))).attributions[..., ::2]
            array([[[[0.   , 0.125, 0.625, 1.   ]]]])
        """
        from trulens_core.results.upsampling import upsampled  # only when asked for

        maps = self.attributions
        if isinstance(maps, list):
            found: Any = [upsampled(m, x, channel_axis) for m in maps]
        else:
            found = upsampled(maps, x, channel_axis)
        return dataclasses.replace(self, attributions=found)

    def plot(  # noqa: PLR0913 - options of which a call has one or two
        self,
        kind: str | None = None,
        *,
        x: Any = None,
        tokens: Sequence[Sequence[str]] | None = None,
        names: Sequence[str] | None = None,
        records: Sequence[int] | None = None,
        channel_axis: int | None = None,
        fig: Any = None,
    ) -> TextPicture | None:
        """Show the attributions in the picture that fits them.

        Images as maps (over `x`, where it is given), texts as coloured tokens, series as a curve
        or as strips of colour, tables as bars. All but texts need the extra `viz`, and are drawn
        on `fig`, or else on the current figure of matplotlib.

        Args:
            kind: "image", "text", "series" or "table"; None is what fits the shape: (records,
                features) a table, (records, steps, channels) a series, rank 4 images; with
                `tokens`, a text.
            x: what was explained: images, or series, shown with the attributions.
            tokens: for each record its tokens, or words; None: those among the result's `names`.
            names: of the features, or of the channels of a series; likewise.
            records: which records; None is the first four.
            channel_axis: of images, see `trulens.visualizations.Visualizer`.
            fig: the figure to draw on.

        Returns:
            Of a text, what a notebook or `print` shows; else None.

        Example:
            >>> import numpy as np
            >>> result = AttributionResult(attributions=np.array([[0.5, -0.25]]))
            >>> print(result.plot(tokens=[["good", "film"]]), end="")
            good(+0.5) film(-0.25)  [±0.5]
        """
        from trulens_core.visualizations.result_plots import plotted  # only when drawn

        known = self.names or {}
        tokens = known.get("tokens") if tokens is None else tokens
        names = known.get("features") if names is None else names
        return plotted(self.attributions, kind, x, tokens, names, records, channel_axis, fig)


def _described(value: Any) -> str:
    """The type and shape of arrays; of a NumPy array with a number per record, the numbers."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_described(v)}' for k, v in value.items())}}}"
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return repr(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) <= _SHOWN:
        return np.array2string(value, precision=4)
    return f"{value.dtype} {tuple(value.shape)}"
