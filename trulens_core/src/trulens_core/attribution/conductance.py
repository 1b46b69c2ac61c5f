"""Conductance: how much of a quantity's change along a path goes through inner units."""

from __future__ import annotations

import dataclasses
from typing import Any, Unpack

from trulens_core.attribution.gradients import InternalInfluence
from trulens_core.attribution.method import AttributionMethod, Options
from trulens_core.attribution.questions import as_question
from trulens_core.distributions import LinearDoi
from trulens_core.distributions.quadrature import Rule
from trulens_core.influence.downstream import Downstream
from trulens_core.influence.questions import Question, Tolerance
from trulens_core.quantities import as_qoi
from trulens_core.quantities.units import UnitQoI
from trulens_core.slices import Slice, source_cut, target_cut


class Conductance(InternalInfluence):
    """Conductance of the units of a layer (Dhamdhere et al., 2019).

        ∫ ∂q/∂h ⊙ dh  along the line from the baseline to x, h the value at the layer

    The share of integrated gradients that goes through each unit. The units of a layer that cuts
    the network add up to q(x) − q(b), to the quadrature's error; where something goes around the
    layer (a shortcut), `explain` shows its share as part of `residual`.

    Conductance(m, layer) = InternalInfluence(m, layer, 'max', LinearDoi(b, n, rule="midpoint"),
    statistic="path"). It takes a second, forward pass for each point.

    Args:
        model: a model or its wrapper.
        layer: where the units are: a cut, a name or an index.
        baseline: where the line starts, see `LinearDoi`; None is zeros.
        resolution: how many points.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the line lives; None is the input.
        rule: of quadrature, see `LinearDoi`.
        tolerance: instead of `resolution`, the error of completeness that is accepted, see
            `IntegratedGradients`; each level of 3, 9, 27, … points is computed anew.
        max_resolution: the most points a record may use to meet the tolerance.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for a resolution, rule or tolerance that cannot be used.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = Conductance(model, "hidden").explain(x)
        >>> result.attributions.shape, bool((abs(result.residual) < 0.01).all())
        ((2, 4), True)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        layer: Any,
        *,
        baseline: Any = None,
        resolution: int = 50,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        rule: Rule = "midpoint",
        tolerance: float | None = None,
        max_resolution: int = 729,
        **options: Unpack[Options],
    ) -> None:
        self._tolerance = None if tolerance is None else Tolerance(tolerance, max_resolution)
        if tolerance is not None and rule != "midpoint":
            raise ValueError(f"tolerance= takes midpoints, so rule={rule!r} cannot be chosen")
        doi = LinearDoi(baseline, resolution, rule=rule, cut=doi_cut)
        super().__init__(
            model, Slice(target_cut(layer), qoi_cut), qoi, doi, statistic="path", **options
        )

    def _question(self) -> Question:
        return dataclasses.replace(super()._question(), tolerance=self._tolerance)


class NeuronConductance(AttributionMethod):
    """What of a quantity each input feature moves through one unit (Shrikumar et al., 2018).

        (x − b) ⊙ ∫ ∂u/∂x · ∂q/∂u dα  on the line from b to x, u the unit's value

    Summed over features it is the unit's conductance. By the chain rule nothing that goes around
    the unit counts, shortcuts included. It takes two gradients for each point.

    Args:
        model: a model or its wrapper.
        layer: where the unit is: a cut, a name or an index.
        neuron: which of a record's values there: an int, or one int per axis.
        baseline: where the line starts, see `LinearDoi`; None is zeros.
        resolution: how many points.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the line lives and the features are; None is the input.
        rule: of quadrature, see `LinearDoi`.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`. The gradients are those of the unit, and so is `quantity`.

    Raises:
        ValueError: for a neuron, resolution or rule that cannot be used.
        IndexError: when used, for a neuron that the layer does not have.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> of_unit = NeuronConductance(model, "hidden", 2).attributions(x)
        >>> of_unit.shape
        (2, 5)
        >>> conductance = Conductance(model, "hidden").attributions(x)[:, 2]
        >>> bool((abs(of_unit.sum(axis=1) - conductance) < 0.01).all())
        True
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        layer: Any,
        neuron: int | tuple[int, ...],
        *,
        baseline: Any = None,
        resolution: int = 50,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        rule: Rule = "midpoint",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, **options)
        self._slice = Slice(source_cut(doi_cut), target_cut(layer))
        self._unit, self._of = UnitQoI(neuron), (as_qoi(qoi), Slice(None, qoi_cut).to_cut)
        self._doi = LinearDoi(baseline, resolution, rule=rule)
        self.question()

    def _question(self) -> Question:
        qoi, target = self._of
        layer, to = self.model.resolved(self._slice.to_cut), self.model.resolved(target)
        statistic = Downstream(layer, to, qoi, self._unit)
        at = self._slice.from_cut
        return as_question(
            self.model, self._slice, self._unit, self._doi, doi_cut=at, statistic=statistic
        )
