"""Defects of what passes see of a model."""

import dataclasses
import runpy
from pathlib import Path

from trulens_core.errors import UnknownLayerError

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects, shown = (BASE[n] for n in ("Defect", "neglects", "shown"))
DEFECTS = BASE["DEFECTS"]


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
