"""Backends with one defect at a time: the same one on the reference and on PyTorch.

A defect is a mixin of the backend's class, of the wrapper's, or of both. It says which duty of a
backend it neglects, which test of the conformance suite must find it, and in which words. The
duties "masks applied to the right segment" and "every operation reaches the rules" come with masks
and rules.
"""

import contextlib
import dataclasses
import functools
import importlib
from unittest import mock

import numpy as np
import optree

from trulens_core.errors import UnknownLayerError
from trulens_core.passes import Pass
from trulens_core.testing import ReferenceModel
from trulens_core.testing.reference import Tensor
from trulens_core.trees import Tree

DEFECTS = {}
"""By name."""


class Defect:
    """No defect.

    Attributes:
        duty: which it neglects.
        test: of the suite, that must fail, and with which message.
        frameworks: on which it can be.
    """

    duty = test = message = ""
    frameworks = ("reference", "torch")

    class Backend:
        pass

    class Wrapper:
        pass


def neglects(duty, test, message, *frameworks):
    """Enter a defect in the list."""

    def entered(kind):
        kind.duty, kind.test, kind.message = duty, test, message
        kind.frameworks = frameworks or kind.frameworks
        DEFECTS[kind.__name__] = kind
        return kind

    return entered


@contextlib.contextmanager
def shown(change):
    """What a pass is shown of a layer, and what goes on: `change(at, place, value)`."""
    before = Pass.at
    with mock.patch.object(Pass, "at", lambda p, place, v: change(before.__get__(p), place, v)):
        yield


# -- modes, hooks, state --------------------------------------------------------------------------


@neglects("evaluation mode", "test_evaluation_mode", r"the output in evaluation mode: relative")
class NeverEvaluates(Defect):
    """The model is explained in the mode that it is in."""

    class Wrapper:
        def __init__(self, model, **options):
            super().__init__(model, **options)
            self.force_eval = False

        def opened(self, inputs, at):
            reference = isinstance(self.model, ReferenceModel)
            return contextlib.nullcontext() if reference else super().opened(inputs, at)


@neglects(
    "eval restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*(training \(True before, False after\)|modes \(\[True)",
)
class EvalLeft(Defect):
    """The model is left in evaluation mode."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            with super().opened(inputs, at):
                yield
            set_mode = getattr(
                self.model, "train", lambda mode: vars(self.model).update(training=mode)
            )
            set_mode(False)


@neglects(
    "hooks removed, also after errors",
    "test_after_an_error[quantity-FailedError]",
    r"a call left changed: .*(opened \(None before|hooks \(\[0)",
)
class LeftBehind(Defect):
    """After an error the model is not put back."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            if hasattr(self.model, "register_forward_hook"):
                remove = self.model.register_forward_hook(lambda *_: None).remove
            else:
                self.model.weights["opened"] = np.ones(1)
                remove = functools.partial(self.model.weights.pop, "opened")
            with super().opened(inputs, at):
                yield
            remove()


@neglects(
    "random state restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*random",
)
class DrawsNumbers(Defect):
    """Every call draws from the caller's generator."""

    class Wrapper:
        def opened(self, inputs, at):
            if isinstance(self.model, ReferenceModel):
                self.model.random.random()
            else:
                importlib.import_module("torch").rand(1)
            return super().opened(inputs, at)


@neglects(
    "buffers restored",
    "test_modes_state_and_generators_are_put_back",
    r"a call left changed: .*count",
)
class BuffersWritten(Defect):
    """What the model writes in a call stays."""

    class Wrapper:
        @contextlib.contextmanager
        def opened(self, inputs, at):
            if not isinstance(self.model, ReferenceModel):
                nothing = mock.patch("trulens_torch.state._steps", return_value=[])
                with nothing, super().opened(inputs, at):
                    yield
                return
            with super().opened(inputs, at):
                yield
                written = {n: w.copy() for n, w in self.model.weights.items()}
            self.model.weights.update(written)


# -- what passes see ------------------------------------------------------------------------------


@neglects(
    "order replace, tap, capture",
    "test_replace_then_tap_then_capture",
    r"what is seen where a value was put in: relative error",
)
class CapturedBefore(Defect):
    """A value is captured before what takes its place does so."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            there = [cut for cut in want if cut in replace]
            found = super().forward(inputs, replace=replace, tap=tap, want=want)
            if not there or inputs.rows_at_cut != inputs.n_rows:
                return found
            before = super().forward(inputs, replace={}, tap={}, want=there)
            old = dict(zip(there, before, strict=True))
            return [old.get(cut, values) for cut, values in zip(want, found, strict=True)]


@neglects(
    "looking changes nothing",
    "test_looking_changes_nothing",
    r"a value that is changed in place: relative error",
)
class Aliased(Defect):
    """What is captured is what goes on, and not a copy."""

    class Backend:
        def fresh(self, x):
            return x


@neglects(
    "layer keyword arguments",
    "test_keyword_arguments_of_layers",
    r"what a layer is given, by position and by keyword: relative error inf",
)
class KeywordsDropped(Defect):
    """The pass is not shown what a layer is given by keyword."""

    class Wrapper:
        def forward(self, *args, **kwargs):
            def change(at, place, value):
                if place[1] == "out":
                    return at(place, value)
                return at(place, (value[0], {}))[0], value[1]

            with shown(change):
                return super().forward(*args, **kwargs)


@neglects("nested layers listed", "test_nested_layers", r"layers .* that are not listed: \{'enc")
class NestedUnlisted(Defect):
    """Layers inside of others are not listed."""

    class Wrapper:
        def layers(self, *args, **kwargs):
            return [x for x in super().layers(*args, **kwargs) if "." not in x.name]


@neglects("nested layers cut", "test_nested_layers", r"the layer of Cut\('encoder\.inner\.up'")
class NestedHidden(Defect):
    """What comes by at layers inside of others is not shown."""

    class Wrapper:
        def forward(self, *args, **kwargs):
            with shown(lambda at, place, v: v if "." in place[0] else at(place, v)):
                return super().forward(*args, **kwargs)


@neglects(
    "a layer called several times",
    "test_calls_are_told_apart",
    r"at Cut\('cell', anchor='in'.*call=1.*relative",
)
class FirstCall(Defect):
    """Whatever call is meant, the first."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            def first(cut):
                return cut if cut.call is None else dataclasses.replace(cut, call=0)

            return super().forward(
                inputs,
                replace={first(c): v for c, v in replace.items()},
                tap={first(c): t for c, t in tap.items()},
                want=[first(c) for c in want],
            )


@neglects(
    "a layer called several times",
    "test_a_path_at_a_call",
    r"the value put in at Cut\('cell'.*call=1.*\), as the model goes on with it",
)
class SecondCallIgnored(Defect):
    """What is put in at the second call of a layer is ignored."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            kept = {c: v for c, v in replace.items() if getattr(c, "call", None) != 1}
            return super().forward(inputs, replace=kept, tap=tap, want=want)


@neglects(
    "a layer called several times",
    "test_replaced_again",
    r"what follows the second value put in at Cut\('hidden'\): relative error",
)
class SecondEvaluationIgnored(Defect):
    """What is put in at a cut is ignored when the cut is replaced for the second time."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            first = vars(self).setdefault("first", {})
            kept = {c: first.setdefault(c, v) for c, v in replace.items()}
            same = all(
                a.shape == b.shape for c in kept for a, b in zip(kept[c], replace[c], strict=True)
            )
            return super().forward(inputs, replace=kept if same else replace, tap=tap, want=want)


@neglects(
    "errors named",
    "test_layers_that_do_not_exist[secnod]",
    r"(?s)Regex pattern did not match.*there is no such layer",
)
class Nameless(Defect):
    """An error says that something is wrong, and not what."""

    class Wrapper:
        def place(self, cut):
            try:
                return super().place(cut)
            except UnknownLayerError as error:
                raise UnknownLayerError("there is no such layer") from error


# -- rows, points, records ------------------------------------------------------------------------


def in_turn(x, k, backend):
    """Copies of each row, one beside the other."""
    return backend.from_numpy(np.repeat(backend.to_numpy(x), k, axis=0))


@neglects(
    "rows point by point",
    "test_rows_and_points",
    r"copies of all rows, point by point: relative error",
)
class RecordByRecord(Defect):
    """Rows are laid out record by record."""

    class Backend:
        def repeat(self, x, k):
            return in_turn(x, k, self)


@neglects(
    "repeat order of per-record data",
    "test_data_of_records_survive_rebatching[40]",
    r"a result: relative error|the model's rows see one another",  # as core itself may find
)
class PerRecordInTurn(Defect):
    """What has one number per record is repeated in another order than rows."""

    class Backend:
        def repeat(self, x, k):
            return in_turn(x, k, self) if len(x.shape) == 1 else super().repeat(x, k)


@neglects(
    "per-record arrays of a quantity",
    "test_data_of_records_survive_rebatching[40]",
    r"a result: relative error",
)
class PerRecordFirst(Defect):
    """All records of a block get the data of the first."""

    class Backend:
        def repeat(self, x, k):
            alone = len(x.shape) == 1
            return super().repeat(x[:1], k * int(x.shape[0])) if alone else super().repeat(x, k)


@neglects(
    "shared inputs not repeated", "test_an_argument_of_all_records[5]", r"shape|broadcast|size"
)
class SharedRepeated(Defect):
    """That an argument belongs to all records is not passed on, so it is repeated with them."""

    class Wrapper:
        def __init__(self, model, *, batched=None, **options):
            super().__init__(model, **options)


@neglects(
    "weights of points",
    "test_weights_of_points",
    r"a sum over points, with their weights: relative error",
)
class WeightsIgnored(Defect):
    """Points all weigh the same."""

    class Backend:
        def weighted_sum(self, x, weights):
            mean = float(self.to_numpy(weights).mean())
            return super().weighted_sum(x, self.xp.full_like(weights, mean))


@neglects(
    "seeds equal to other backends'",
    "test_noise_is_that_of_every_backend",
    r"noise of seed 5: relative error",
)
class OwnNoise(Defect):
    """Noise is drawn by a generator of the backend's own."""

    class Backend:
        def from_numpy(self, a, like=None):
            if like is not None and a.ndim > 1 and a.shape[1] == 1:
                a = np.random.default_rng(0).standard_normal(a.shape)
            return super().from_numpy(a, like)


# -- types and devices ----------------------------------------------------------------------------


@neglects(
    "dtype kept",
    "test_arrays_and_tensors[float32]",
    r"float32 made a tensor, and that an array, is float64",
)
class DtypeWidened(Defect):
    """Tensors are of float64 whatever the arrays are."""

    class Backend:
        def from_numpy(self, a, like=None):
            return super().from_numpy(a.astype("float64") if a.dtype.kind == "f" else a, like)


@neglects(
    "dtype kept",
    "test_parts_of_other_types",
    r"a value of float64 in a model with a part of float32|do not mix|same dtype",
)
class NarrowestType(Defect):
    """Inputs are cast to the narrowest type that any weight of the model has."""

    class Wrapper:
        def adopt(self, value, declared=None):
            x = super().adopt(value, declared)
            sizes = [self.backend.to_numpy(w).dtype.itemsize for w in self.floating_weights()]
            narrow = min(sizes, default=8) < 8 and self.backend.is_floating(x)
            xp = self.backend.xp
            return xp.astype(xp.astype(x, xp.float32), x.dtype) if narrow else x


@neglects("float64 sums", "test_types_for_sums", r"float64 made ready for sums is less exact")
class SumsNarrow(Defect):
    """Gradients are added up in float32, whatever the model is."""

    class Backend:
        def accumulator(self, x):
            wide = super().accumulator(x)
            return self.xp.astype(self.xp.astype(wide, self.xp.float32), wide.dtype)


@neglects("float64 sums", "test_gradients_at_a_call", r"relative error .*e-0[5-9], allowed 1e-10")
class LessExact(Defect):
    """Everything through float32."""

    class Backend:
        def from_numpy(self, a, like=None):
            narrow = a.astype("float32").astype(a.dtype) if a.dtype.kind == "f" else a
            return super().from_numpy(narrow, like)


@neglects("device kept", "test_devices_are_kept", r"a tensor on cpu in the place of meta", "torch")
class DeviceIgnored(Defect):
    """Arrays become tensors where the framework puts them. The reference has one device."""

    class Backend:
        def from_numpy(self, a, like=None):
            x = super().from_numpy(a)
            return x.to(like.dtype) if like is not None and x.is_floating_point() else x


# -- gradients ------------------------------------------------------------------------------------


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


# -- code of the caller's -------------------------------------------------------------------------


@neglects(
    "caller's code not kept",
    "test_what_a_quantity_reads_elsewhere[closure]",
    r"class 2, by closure: relative error",
)
class KeptByCode(Defect):
    """What was computed with a function is kept by its code."""

    class Wrapper:
        def over_blocks(self, inputs, **asked):
            code = getattr(getattr(asked["qoi"], "function", None), "__code__", None)
            first = vars(self).setdefault("by_code", {})
            over = super().over_blocks(inputs, **asked)
            return over if code is None else lambda b: first.setdefault(code, over(b))


# -- written after the rest, to see what the suite had not thought of -----------------------------


@neglects(
    "weights read at every call",
    "test_weights_are_read_at_every_call",
    r"gradients after the weights changed: relative error",
)
class WeightsOfBefore(Defect):
    """The model is explained with the weights that it had when it was wrapped."""

    class Wrapper:
        def __init__(self, model, **options):
            super().__init__(model, **options)
            reference = isinstance(model, ReferenceModel)
            held = model.weights if reference else model.state_dict()
            copy = (lambda w: w.copy()) if reference else (lambda w: w.clone())
            self.kept_weights = {n: copy(w) for n, w in held.items()}

        def forward(self, inputs, **asked):
            if isinstance(self.model, ReferenceModel):
                for n, w in self.kept_weights.items():
                    self.model.weights[n][...] = w
            else:
                for n, w in self.model.state_dict().items():
                    w.data.copy_(self.kept_weights[n])
            return super().forward(inputs, **asked)


@neglects(
    "arguments of every call",
    "test_a_mask_stays_as_it_is",
    r"assert not np\.True_|rows see one another",
)
class KeywordsKept(Defect):
    """Keyword arguments of a shape are those that came first."""

    class Wrapper:
        def forward(self, inputs, **asked):
            first = vars(self).setdefault("first_keywords", {})
            places, values = [], []
            for i, leaf in enumerate(inputs.leaves):
                if isinstance(leaf.name, str) and self.backend.is_tensor(leaf.value):
                    places.append(i)
                    key = leaf.name, tuple(leaf.value.shape)
                    values.append(first.setdefault(key, leaf.value))
            return super().forward(
                inputs.with_values(places, values) if places else inputs, **asked
            )


@neglects(
    "both sides of a layer",
    "test_values_at_two_cuts",
    r"both sides of a layer, seen in one pass: relative error",
)
class SidesShared(Defect):
    """Where both sides of a layer are looked at in one pass, they have one place."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            found = super().forward(inputs, replace=replace, tap=tap, want=want)
            pairs = list(zip(want, found, strict=True))
            out = {c.name: v for c, v in pairs if c.anchor == "out"}
            return [out.get(c.name, v) if c.anchor == "in" else v for c, v in pairs]
