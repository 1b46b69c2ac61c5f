"""Cuts and slices: where in a network the variables live and where its behaviour is read.

A network f is cut in two, f = g ∘ h. A `Cut` is a place where it can be cut: the input or the
output of a layer, of one call of a layer, or of the whole model. A `Slice` is two of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, SupportsIndex

from trulens_core.calls import as_calls
from trulens_core.errors import CutError
from trulens_core.members import Member

Anchor = Literal["in", "out"]
LayerName = Any
"""A name, an index (anything with `__index__` but bool), or what else a backend calls a layer."""

CutLike = Any
"""A cut or its short form: a name, an index, a list of names, None."""

INPUT = "<input>"
OUTPUT = "<output>"
LOGIT = "<logit>"


@dataclasses.dataclass(frozen=True)
class Cut:
    """A place in a network: the input or output of a layer.

    A value at a cut is one tensor or several. Which: a tensor is itself; a mapping or dataclass
    gives its `logits`, or its only floating tensor, or else is an error that asks for an
    `accessor`; of a tuple or list the first member with a floating tensor counts; at anchor
    `"in"`, all floating tensors, positional ones first. Order is insertion order. An `accessor`
    chooses instead; `lambda v: v` gives all.

    Where variables live, a cut of several layers gives for each its own, total derivative: what
    the layer alone gives, also where one layer is computed from another. A distribution that
    moves values (any but a point) may act at several places only if none is computed from another:
    the input and an embedding of other inputs, the calls of one encoder.

    Args:
        name: name or index of the layer, or a list of them, and of cuts: `[InputCut(), "layer"]`.
            An index is an int; 0 is layer 0.
        anchor: `"out"`, the layer's output, or `"in"`, its input.
        accessor: a function of the layer's whole output (or, at anchor `"in"`, of its arguments,
            a `ModelInputs`) that returns the tensor, or a structure of the tensors, that the cut
            means. Where variables live it must select tensors, not compute them.
        call: which call, from 0, of a layer that runs several times in one pass; a list of them,
            or `"all"`, found by running the model.
        batch_axis: the axis of the records in the layer's tensors, 1 for time-major layers.
            Quantities and distributions see the records on axis 0; results have the layer's
            own layout.
        rows_per_record: how many rows of the layer's tensors belong to each record, one after the
            other, as windows, sentences, frames or choices do; `"auto"` finds out, by what the
            layer has for one record and for two. Quantities, distributions and results see
            (records, rows, …).

    Raises:
        CutError: for arguments that cannot be a cut. Whether the model has the layer, and whether
            a distribution can act there, is found out when the cut is used.

    Example:
        >>> Cut("layer4.0")
        Cut('layer4.0')
        >>> Cut("lstm", call=1, batch_axis=1)
        Cut('lstm', call=1, batch_axis=1)
    """

    name: LayerName
    anchor: Anchor = "out"
    accessor: Callable[[Any], Any] | None = None
    call: int | Sequence[int] | Literal["all"] | None = None
    batch_axis: int = 0
    rows_per_record: int | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.name, list | tuple):
            held = [n if isinstance(n, Cut) else _layer_name(n) for n in self.name]
            object.__setattr__(self, "name", tuple(held))
            if not self.name:
                raise CutError("Cut([]) names no layer; give at least one name")
        else:
            object.__setattr__(self, "name", _layer_name(self.name))
        if self.anchor not in ("in", "out"):
            raise CutError(f"Cut anchor is {self.anchor!r}; it must be 'in' or 'out'")
        if self.accessor is not None and not callable(self.accessor):
            raise CutError(f"Cut accessor is {self.accessor!r}; it must be a function")
        if self.call is not None:
            object.__setattr__(self, "call", as_calls(self.call))
        _index(self.batch_axis, "batch_axis")
        self._check_rows()

    def _check_rows(self) -> None:
        rows = self.rows_per_record
        if rows is None or rows == "auto":
            return
        if _index(rows, "rows_per_record") < 1:
            raise CutError(f"Cut rows_per_record is {rows}; it must be 1 or more, or 'auto'")
        if self.batch_axis:
            raise CutError("Cut takes rows_per_record or batch_axis, and not both")

    def __hash__(self) -> int:
        return hash(self.name)  # a model is seen at few cuts, and looks them up often

    def parts(self) -> tuple[Cut, ...]:
        """The cuts of one value each that this cut is made of: itself, unless it has several."""
        if isinstance(self.name, tuple):
            return tuple(p for member in self.members() for p in member.parts())
        if isinstance(self.call, tuple):
            return tuple(dataclasses.replace(self, call=c) for c in self.call)
        return (self,)

    def members(self) -> list[Cut]:
        """The cut at each of the names, of a cut that has a list of them."""
        return [n if isinstance(n, Cut) else dataclasses.replace(self, name=n) for n in self.name]

    @property
    def uncounted(self) -> bool:
        """Whether the model has to be run to know what is meant."""
        members = self.name if isinstance(self.name, tuple) else ()
        inside = any(isinstance(n, Cut) and n.uncounted for n in members)
        return inside or self.rows_per_record == "auto" or self.call == "all"

    def accessed(self, accessor: Callable[[Any], Any] | None) -> Cut:
        """This cut with another accessor, and with tensors in the layer's own layout."""
        if not self.batch_axis and self.rows_per_record is None:  # the model's own have no other
            return dataclasses.replace(self, accessor=accessor)
        return dataclasses.replace(self, accessor=accessor, batch_axis=0, rows_per_record=None)

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        name = list(self.name) if isinstance(self.name, tuple) else self.name
        call = list(self.call) if isinstance(self.call, tuple) else self.call
        words = [repr(name)]
        if self.anchor != "out":
            words.append(f"anchor={self.anchor!r}")
        words += [
            f"{field}={value!r}"
            for field, value, default in (
                ("accessor", self.accessor, None),
                ("call", call, None),
                ("batch_axis", self.batch_axis, 0),
                ("rows_per_record", self.rows_per_record, None),
            )
            if value != default
        ]
        return f"Cut({', '.join(words)})"


@dataclasses.dataclass(frozen=True, repr=False)
class InputCut(Cut):
    """The input of the whole model.

    Its value is the floating tensors of the positional arguments or, if there are none, of the
    keyword arguments. `names` picks arguments by name instead; everything else passes unchanged.

    Args:
        anchor: `"in"`; accepted for old code, without effect.
        accessor: selects among the chosen arguments' tensors, see `Cut`. It is given
            the `ModelInputs`: `lambda inputs: inputs.kwargs["image"]`.
        names: names of the model's arguments whose tensors the cut holds.
        batch_axis: the axis of the records in these arguments, as a method is given them; results
            are laid out alike. `get_model_wrapper(..., batched={name: axis})` says the same once.

    Raises:
        CutError: for names given as one str. When used: for names that are not given, or an
            accessor that computes.

    Example:
        >>> InputCut(names=["pixel_values"])
        InputCut(names=['pixel_values'])
    """

    name: LayerName = dataclasses.field(default=INPUT, init=False)
    anchor: Anchor = "in"
    accessor: Callable[[Any], Any] | None = None
    call: int | None = dataclasses.field(default=None, init=False)
    batch_axis: int = 0
    rows_per_record: None = dataclasses.field(default=None, init=False)
    names: Sequence[str] | None = None

    def __hash__(self) -> int:
        return Cut.__hash__(self)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.names, str):
            raise CutError(f"InputCut(names={self.names!r}): give a list, [{self.names!r}]")
        if self.names is not None:
            object.__setattr__(self, "names", tuple(self.names))

    def __repr__(self) -> str:
        words = []
        if self.accessor is not None:
            words.append(f"accessor={self.accessor!r}")
        if self.names is not None:
            words.append(f"names={list(self.names)!r}")
        if self.batch_axis:
            words.append(f"batch_axis={self.batch_axis}")
        return f"InputCut({', '.join(words)})"


@dataclasses.dataclass(frozen=True, repr=False)
class _OfTheModel(Cut):
    """An output that needs no layer's name."""

    anchor: Anchor = "out"
    accessor: Callable[[Any], Any] | None = None
    call: int | None = dataclasses.field(default=None, init=False)
    batch_axis: int = dataclasses.field(default=0, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor != "out":
            raise CutError(
                f"{type(self).__name__}(anchor={self.anchor!r}): it is an output; a layer's input "
                "is Cut(name, anchor='in')"
            )

    def __hash__(self) -> int:
        return Cut.__hash__(self)

    def __repr__(self) -> str:
        rows = self.rows_per_record
        words = [_accessor(self), "" if rows is None else f"rows_per_record={rows!r}"]
        return f"{type(self).__name__}({', '.join(w for w in words if w)})"


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class OutputCut(_OfTheModel):
    """The output of the whole model.

    Args:
        anchor: which member of the output is meant: a name in a mapping or dataclass, `"a.b"` in
            one within another, a place in a tuple, or a list of them; `"out"`, the whole, is
            accepted for old code.
        accessor: a function of the model's whole output, see `Cut`. An output of several tensors
            by name, without one called `logits`, needs one of the two.
        rows_per_record: how many rows of the output belong to each record, see `Cut`.

    Raises:
        CutError: for a member and an accessor; when used, for a member that is not there.

    Example:
        >>> OutputCut("scores")
        OutputCut('scores')
        >>> OutputCut("scores").accessor({"scores": 1, "boxes": 2})
        1
    """

    name: LayerName = dataclasses.field(default=OUTPUT, init=False)
    anchor: Any = "out"

    def __post_init__(self) -> None:
        if callable(self.anchor):
            raise CutError(f"OutputCut anchor is {self.anchor!r}; a function is given as accessor=")
        if self.anchor not in ("in", "out"):
            if self.accessor is not None:
                raise CutError(f"OutputCut({self.anchor!r}, accessor=): give one of the two")
            member = self.anchor
            object.__setattr__(self, "accessor", Member.of(member))
            object.__setattr__(self, "anchor", "out")
        super().__post_init__()

    def __repr__(self) -> str:
        if isinstance(self.accessor, Member):
            return f"OutputCut({self.accessor})"
        return super().__repr__()


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class LogitCut(_OfTheModel):
    """The scores before the final softmax: the wrapper's `logit_layer`, or the layer `logits`.

    Args:
        anchor: `"out"`; accepted for old code.
        accessor: a function of that layer's whole output, see `Cut`.
        rows_per_record: how many rows of it belong to each record, see `Cut`.

    Raises:
        CutError: for another anchor.
        UnknownLayerError: when used, with a model that has neither.
        CutError: when used, for a layer that gives probabilities, as a softmax does: name the one
            before it. Sigmoids that no layer's type tells are not found out.

    Example:
        >>> LogitCut()
        LogitCut()
    """

    name: LayerName = dataclasses.field(default=LOGIT, init=False)


@dataclasses.dataclass(frozen=True, init=False)
class Slice:
    """Two cuts: the variables live at `from_cut`, the behaviour is read at `to_cut`.

    Args:
        from_cut: a `Cut` or its short form: a name, an index, a list of names; None or 0 is the
            model's input.
        to_cut: the same; None is the model's output and 0 layer 0.

    Raises:
        CutError: for anything that is no cut, nor short for one.

    Example:
        >>> Slice("conv1", None)
        Slice(from_cut=Cut('conv1'), to_cut=OutputCut())
        >>> Slice.full_network()
        Slice(from_cut=InputCut(), to_cut=OutputCut())
    """

    from_cut: Cut
    to_cut: Cut

    def __init__(self, from_cut: CutLike, to_cut: CutLike) -> None:
        object.__setattr__(self, "from_cut", source_cut(from_cut))
        object.__setattr__(self, "to_cut", target_cut(to_cut))

    @staticmethod
    def full_network() -> Slice:
        """The slice from the model's input to its output."""
        return Slice(InputCut(), OutputCut())


def source_cut(value: Any) -> Cut:
    """The cut that a short form means where variables live: None and 0 are the model's input."""
    if value is None or (is_index(value) and int(value) == 0):
        return InputCut()
    return _as_cut(value)


def target_cut(value: Any) -> Cut:
    """The cut that a short form means where behaviour is read: None is the model's output."""
    return OutputCut() if value is None else _as_cut(value)


def as_slice(value: Any) -> Slice:
    """The slice that `value` means: a Slice, a pair of cuts, or the source cut alone.

    A list of more or fewer than two names is one cut of several layers; a pair is always two
    cuts, so a source of two layers is written `Cut([a, b])`.
    """
    if isinstance(value, Slice):
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        return Slice(*value)
    return Slice(value, None)


def _as_cut(value: Any) -> Cut:
    if isinstance(value, Cut):
        return value
    if isinstance(value, Slice):
        raise CutError(f"{value!r} is a slice; give one cut here")
    return Cut(value)


def _layer_name(name: LayerName) -> LayerName:
    if isinstance(name, bool) or name is None:
        raise CutError(f"{name!r} is not a layer; give a layer's name or index")
    if isinstance(name, Cut):
        raise CutError(f"{name!r} is a cut; a cut of several places is Cut([cut, cut])")
    if isinstance(name, float | bytes | dict | set):
        raise CutError(f"{name!r} is not a layer's name; give a str or an int")
    return int(name) if is_index(name) else name


def is_index(value: Any) -> bool:
    """Whether `value` is an index: anything with `__index__` but bool."""
    if isinstance(value, bool | str) or not isinstance(value, SupportsIndex):
        return False
    try:
        value.__index__()
    except TypeError:  # arrays have the method and refuse
        return False
    return True


def _index(value: Any, argument: str) -> int:
    if not is_index(value):
        raise CutError(f"Cut {argument} is {value!r}; it must be an int")
    return int(value)


def _accessor(cut: Cut) -> str:
    return "" if cut.accessor is None else f"accessor={cut.accessor!r}"
