"""What `explain` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trulens_core.inputs import ModelInputs
from trulens_core.results import arrays, comparison, tables
from trulens_core.results import records as _records
from trulens_core.results.fields import ResultFields
from trulens_core.results.printing import printed
from trulens_core.results.tables import Strongest

if TYPE_CHECKING:
    from pathlib import Path

    from trulens_core.results.replaying import Replay

_NAMED = ("features", "tokens", "classes", "inputs", "quantities")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class AttributionResult(ResultFields):
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
        inputs: what was explained, as it was given, by reference: a `ModelInputs`.
        names: of "features", "classes", "inputs" or "quantities", each a list, and of "tokens", a
            list for each record; see `named`. Pictures and tables read them.
        qoi: the quantity, in words.
        method: which method with which options made it: a dict of JSON's types, never the model.
            Its "text" says it in words.
        coverage: which operations the rules of the backward pass were applied to.
        target: the class whose score was explained, (records,) ints (NumPy), as far as it is known
            without another pass of the model.
        method_arrays: the arrays that `method` has numbers of, by reference.
        fingerprints: of the model's weights and of the inputs, from the file it was loaded from.

    All but the attributions are None where they do not apply, or were not asked for. A notebook
    shows a result as numbers and a picture; `plot` draws one.

    A result has a length, and `r[i]`, `r[a:b]` and `r[[i, j]]` are results of those records.
    `a == b` is one bool: whether both hold the same arrays, inputs and names, to the bit.

    Example:
        >>> import numpy as np
        >>> AttributionResult(attributions=np.ones((2, 3)), residual=np.array([0.25, 0.5]))
        AttributionResult(attributions: float64 (2, 3), residual: [0.25 0.5 ])
    """

    def __repr__(self) -> str:
        return printed(self)

    # -- records -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return _records.count(self)

    def __getitem__(self, index: Any) -> AttributionResult:
        return dataclasses.replace(self, **_records.chosen(self, index))

    def __iter__(self) -> Iterator[AttributionResult]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AttributionResult):
            return NotImplemented
        return self is other or comparison.equal_results(self, other)

    def __hash__(self) -> int:
        return hash(tuple(tuple(x.shape) for x in arrays.leaves(self.attributions)))

    # -- other forms -------------------------------------------------------------------------

    def named(self, **names: Sequence[Any]) -> AttributionResult:
        """The result with names that pictures, tables and files show.

        Args:
            **names: "features", "classes", "inputs" and "quantities", each a list in order, and
                "tokens", a list for each record. Those that were there stay, unless given anew.

        Raises:
            TypeError: for names of anything else, and for one name in place of a list.

        Example:
            >>> import numpy as np
            >>> r = AttributionResult(np.array([[0.5, -2.0]])).named(features=["age", "income"])
            >>> r.top(1)[0][0].name
            'income'
        """
        unknown = set(names) - set(_NAMED)
        if unknown:
            raise TypeError(f"names are of {', '.join(_NAMED)}, not of {', '.join(unknown)}")
        for kind in [k for k, v in names.items() if isinstance(v, str)]:
            raise TypeError(f"{kind}={names[kind]!r} is one name; give a list of them")
        given = {k: list(v) for k, v in names.items()}
        return dataclasses.replace(self, names={**(self.names or {}), **given})

    def numpy(self) -> AttributionResult:
        """The result with NumPy arrays in place of tensors."""
        changed: dict[str, Any] = {
            name: arrays.mapped(getattr(self, name), arrays.host) for name in arrays.RECORDS_AT
        }
        if isinstance(self.inputs, ModelInputs):
            changed["inputs"] = self.inputs.map_tensors(lambda leaf: arrays.host(leaf.value))
        held = tuple(map(arrays.host, self.method_arrays))
        return dataclasses.replace(self, **changed, method_arrays=held)

    def to_frame(self) -> Any:
        """A pandas DataFrame (extra `table`).

        Of (records, features) a row per record and a column per feature; of anything with more
        axes a row per number, with its record, its place on each axis and its token. Where records
        own rows (`rows=`), each is told by its record and its own number.

        Raises:
            ImportError: where pandas is not installed.

        Example:
            >>> import numpy as np
            >>> r = AttributionResult(np.array([[0.5, -2.0]])).named(features=["age", "income"])
            >>> r.to_frame().loc[0, "income"].item()
            -2.0
        """
        return tables.to_frame(self)

    def to_shap(self, data: Any = None, feature_names: Sequence[str] | None = None) -> Any:
        """A `shap.Explanation`, for SHAP's plots.

        Args:
            data: the records' values, shaped as the attributions; None: the inputs, where these
                are what was explained.
            feature_names: of the features; None: those among `names`.

        Raises:
            ValueError: for a result of several arrays.
            ImportError: where shap is not installed.
        """
        return tables.to_shap(self, data, feature_names)

    def top(self, k: int = 10) -> list[list[Strongest]]:
        """For each record the k attributions that are largest in size, the largest first.

        Args:
            k: how many.

        Returns:
            A list for each record, of (name, value, place, part): what it is of, its number, its
            index within the record, and which of several arrays.

        Raises:
            ValueError: for k below 1.

        Example:
            >>> import numpy as np
            >>> AttributionResult(np.array([[0.5, -2.0, 1.0]])).top(2)[0][0]
            Strongest(name='1', value=-2.0, place=(1,), part='')
        """
        return tables.top(self, k)

    def by_channel(self, channel_axis: int | None = None) -> AttributionResult:
        """The result with attributions added up over places, (records, channels) in NumPy.

        Args:
            channel_axis: of the attributions; None: as the model has it at the source cut, and
                the last axis of those of rank 3 and below.

        Raises:
            ValueError: where it cannot be told which axis holds the channels.

        Example:
            >>> import numpy as np
            >>> AttributionResult(np.ones((2, 3, 4, 4))).by_channel(1).attributions.shape
            (2, 3)
        """

        def summed(x: Any) -> Any:
            axis = tables.channel_axis(self, channel_axis, len(x.shape))
            return tables.by_channel(arrays.host(x), axis)

        changed = arrays.mapped(self.attributions, summed)
        return dataclasses.replace(
            self, attributions=changed, standard_error=None, activation=None, segments=None
        )

    def _repr_html_(self) -> str:
        from trulens_core.visualizations.result_html import result_as_html  # only when shown

        return result_as_html(self)

    # -- kept --------------------------------------------------------------------------------

    def save(self, path: str | Path, model: Any = None, *, inputs: bool = True) -> None:
        """Write the result to a file, whole or not at all (extra `save`).

        Arrays are written by safetensors, everything else as JSON beside them: the method, names,
        versions, and fingerprints. `load_result` reads it without any framework.

        Args:
            path: of the file, ending in .safetensors; an older one is replaced once the new one
                is complete.
            model: the model or its wrapper, of whose weights, as they are now, a fingerprint is
                kept; None: none is.
            inputs: whether what was explained is written too. A fingerprint is, in any case.

        Raises:
            ImportError: where safetensors is not installed.
            FileNotFoundError: where the folder does not exist.
            ValueError: for arrays of a type that cannot be saved, and a name that ends as files
                of another format do.
        """
        from trulens_core.results.fingerprints import of_weights  # only when asked for
        from trulens_core.results.writing import saved

        saved(self, path, of_weights(model), inputs)

    def replay(self, model: Any, x: Any = None, qoi: Any = None, *, doi: Any = None) -> Replay:
        """Compute the result again, and say whether it is the same.

        Args:
            model: the model, or its wrapper with the options that it had.
            x: the input; None: those of the result.
            qoi: the quantity, where it is code of its author's own, which no file keeps.
            doi: the distribution, likewise.

        Returns:
            A `Replay`, true where the numbers are the same: to the bit at equal versions and
            threads (`exact`), else to rounding; `differs` says what is not as it was.

        Raises:
            ValueError: where the result does not know its method or its inputs, and where code of
                its author's own is not given.

        Example:
            >>> from trulens_core import IntegratedGradients
            >>> from trulens_core.testing import small_model
            >>> model, x = small_model()
            >>> IntegratedGradients(model).explain(x).replay(model)
            Replay(the same to the bit)
        """
        from trulens_core.results.replaying import replayed  # only when asked for

        found = replayed(self, model, x, qoi, doi)
        return found._replace(result=dataclasses.replace(self, **found.result))

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        beside: Mapping[str, AttributionResult] | None = None,
        records: Sequence[int] | None = None,
        clip: float = 99,
        words: bool = False,
        hidden_tokens: Sequence[str] = (),
    ) -> str:
        """A page to leaf through the records: one file, without a server or anything from afar.

        Arrow keys go from record to record; the pointer shows numbers. Images need the extra `viz`.

        Args:
            path: where to write it, whole or not at all; None: nowhere.
            beside: other results of the same records by name, such as other methods.
            records: which records; None is the first 200.
            clip: as in `plot`.
            words: as in `plot`.
            hidden_tokens: as in `plot`.

        Returns:
            The page, in ASCII.

        Raises:
            ValueError: for results of other records, and attributions that have no picture.

        Example:
            >>> import numpy as np
            >>> page = AttributionResult(np.array([[0.5, -2.0]])).to_html()
            >>> page.count("<article")
            1
        """
        from trulens_core.visualizations.explorer import explored  # only when shown

        options = (clip, words, frozenset(hidden_tokens))
        return explored(self, dict(beside or {}), path, records, options)

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
        clip: float = 99,
        most: int | None = None,
        feature: int | str | None = None,
        words: bool = False,
        hidden_tokens: Sequence[str] = (),
        fig: Any = None,
        ax: Any = None,
    ) -> Any:
        """Show the attributions in the picture that fits them.

        Images with their overlay, map and scale, texts as coloured tokens, series as a curve or as
        strips of colour, tables as bars. All but texts need the extra `viz`. Orange raises, blue
        lowers.

        Args:
            kind: "image", "text", "series" or "table"; None is what fits the shape: (records,
                features) a table, (records, steps, channels) a series, rank 4 images; with
                `tokens`, a text. "channels" are the strongest maps of a layer, "waterfall" the way
                from the baseline's score to the record's; of all records "beeswarm" has a dot
                each, "global" the mean size with its standard error, and "dependence" one
                feature's attributions against its values.
            x: what was explained; None: the inputs, where these are.
            tokens: for each record its tokens, or words; None: those among the result's `names`.
            names: of the features, or of the channels of a series; likewise.
            records: which records, up to 36; None is the first four.
            channel_axis: of images, see `trulens.visualizations.Visualizer`.
            clip: the percentile of sizes that gets full colour; the scale's ends are pointed where
                numbers go on beyond it.
            most: how many bars, features or channels; None is as many as fit.
            feature: of "dependence", by name or number.
            words: of texts, whether the pieces of a word become one.
            hidden_tokens: of texts, tokens that are not shown, such as "[PAD]".
            fig: the figure to draw on; None is a new one of a size that fits.
            ax: axes to draw one record, or one chart of all, on.

        Returns:
            The figure; of a text, what a notebook or `print` shows.

        Raises:
            ValueError: for another kind, or one that these attributions do not have.
            IndexError: for a record that is not there.
            ImportError: where matplotlib is not installed.

        Example:
            >>> import numpy as np
            >>> result = AttributionResult(attributions=np.array([[0.5, -0.25]]))
            >>> print(result.plot(tokens=[["good", "film"]]), end="")
            good(+0.5) film(-0.25)  [±0.5]
        """
        from trulens_core.visualizations.result_plots import Choices, plotted  # only when drawn

        given = (kind, x, tokens, names, records, channel_axis, clip, most, feature, words)
        return plotted(self, Choices(*given, hidden_tokens, fig, ax))
