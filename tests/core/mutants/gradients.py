"""Defects of gradients."""

import runpy
from pathlib import Path

import numpy as np
import optree

from trulens_core.testing.reference import Tensor
from trulens_core.trees import Tree

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


class ChangedGradients(Defect):
    """Each quantity's gradients go through `change`."""

    class Backend:
        def differentiate_each(self, run, each):
            return super().differentiate_each(run, lambda gs: each([self.change(g) for g in gs]))


@neglects(
    "gradients of sums over rows",
    "test_gradients_are_differences[inner-mlp]",
    r"the gradients at .*'second'.* are, per record, 2, 2, 2 times the difference quotients",
)
class GradientScaled(Defect):
    """Gradients twice as large."""

    class Backend(ChangedGradients.Backend):
        def change(self, g):
            return None if g is None else g * 2.0


@neglects(
    "gradients of sums over rows",
    "test_any_rebatch_size_gives_the_same[mlp_relu]",
    r"records one by one, against one batch: does a record see the others\?: relative error",
)
class BatchMixed(Defect):
    """A record's gradient has a little of that of the one before it."""

    class Backend(ChangedGradients.Backend):
        def change(self, g):
            if g is None:
                return None
            a = self.to_numpy(g)
            return self.from_numpy(a + 1e-6 * np.roll(a, 1, axis=0))


@neglects(
    "gradients None where unconnected",
    "test_a_quantity_that_does_not_depend_on_the_source",
    r"zero everywhere|DID NOT RAISE .*NotConnectedError",
)
class SilentZeros(Defect):
    """Zeros where nothing is connected."""

    class Backend:
        def differentiate_each(self, run, each):
            found = super().differentiate_each(run, list)
            zeros = [self.xp.zeros_like(t) for t in found.activations]
            filled = [
                each([z if g is None else g for g, z in zip(gs, zeros, strict=True)])
                for gs in found.gradients
            ]
            return found._replace(gradients=filled)


@neglects(
    "total derivative of several layers",
    "test_layers_that_depend_on_each_other[mlp-layers0]",
    r"the gradient at 'hidden' in Cut\(\['hidden', 'second'\]\): relative error 1,",
)
class OthersHeldFixed(Defect):
    """The gradient at a layer of a cut is that with the values at its other layers held fixed."""

    class Backend:
        def differentiate_each(self, run, each):
            def held(tap):
                return lambda z: tap([self.stop_gradient(t) for t in z])

            return super().differentiate_each(lambda tap: run(held(tap)), each)


@neglects(
    "quantities in order",
    "test_several_quantities_are_columns_of_each_other",
    r"one quantity among several, in their order, and by itself: relative error",
)
class QuantitiesTurned(Defect):
    """The gradients of several quantities come in the order of the backward pass."""

    class Backend:
        def differentiate_each(self, run, each):
            found = super().differentiate_each(run, each)
            return found._replace(gradients=found.gradients[::-1])


@neglects(
    "quantities in order", "test_contracting_is_summing_afterwards[text]", r"Not equal to tol"
)
class AllButTheFirstLost(Defect):
    """What is done with each quantity's gradients is done with those of the first."""

    class Backend:
        def differentiate_each(self, run, each):
            whole = super().differentiate_each(run, list)
            if each is list:
                return whole
            return whole._replace(gradients=[each(whole.gradients[0]) for _ in whole.gradients])


@neglects(
    "ties go to the first",
    "test_ties_go_to_the_first",
    r"`max` of equal scores, where the first counts: relative error 1,",
)
class LastOfTies(Defect):
    """The last of several largest."""

    class Backend:
        def largest(self, x, axis):
            a = np.flip(self.to_numpy(x), axis)
            last = a.shape[axis] - 1 - np.argmax(a, axis=axis, keepdims=True)
            taken = self.xp.take_along_axis(x, self.from_numpy(last), axis=axis)
            return self.xp.squeeze(taken, axis=axis)


@neglects("`through` pulls", "test_through_pulls", r"a cotangent that was pulled: relative error")
class NothingPulled(Defect):
    """`through` changes nothing of a cotangent."""

    class Backend:
        def through(self, x, pull, *held):
            return x


@neglects(
    "`through` pulls",
    "test_through_pulls_the_sum_over_its_users",
    r"the cotangents of two users, summed and then pulled: relative error",
    "reference",
)
class EachUserPulled(Defect):
    """`through` pulls what comes from each user of its result, before the sum."""

    class Backend:
        def through(self, x, pull, *held):
            def once():
                return super(EachUserPulled.Backend, self).through(x, pull, *held)

            class PerUser(Tensor):
                def __mul__(self, other):
                    return once() * other

            same = once()
            return PerUser(same.data, *same.sources)


@neglects(
    "containers in order",
    "test_outputs_by_names_of_their_own",
    r"all tensors of an output, in the order of insertion: relative error inf",
)
class KeysSorted(Defect):
    """Dicts come apart in the order of the alphabet."""

    class Backend:
        def flatten(self, value):
            leaves, spec = optree.tree_flatten(value, none_is_leaf=True)
            return Tree(leaves, spec, spec.unflatten)
