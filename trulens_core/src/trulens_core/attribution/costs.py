"""What a call will cost, told after its first passes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from trulens_core.cards import card
from trulens_core.distributions import DoI
from trulens_core.distributions.points import Records
from trulens_core.influence.questions import Question
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED


class Enough(BaseException):
    """Ends a call whose first passes were all that was wanted; nothing below may handle it."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What `AttributionMethod.cost` found.

    Attributes:
        rows: records × points that go through the model; None where an error is stated in place
            of a number of points.
        passes: how many passes of the model that is, as far as it is known.
        rows_per_pass: how many rows a pass had.
        bytes: of a pass's points and of their gradients; what the model keeps for its backward
            pass comes on top.
        seconds: of the whole call: of its first pass, with what is compiled and checked then, and
            of the others at the pace of the second. None where `rows` is.

    Example:
        >>> Cost(rows=100, passes=10, rows_per_pass=10, bytes=2**20, seconds=0.5)
        Cost(100 rows in 10 passes of 10, about 0.5 s, points and gradients 1.0 MiB)
    """

    rows: int | None
    passes: int | None
    rows_per_pass: int
    bytes: int
    seconds: float | None

    def __repr__(self) -> str:
        return f"Cost({', '.join(self._lines().values())})"

    def _repr_html_(self) -> str:
        return card("Cost", "what a call will take", self._lines())

    def _lines(self) -> dict[str, str]:
        known = self.rows is not None and self.passes is not None
        several = "pass" if self.passes == 1 else "passes"
        of = f"{self.rows:,} rows in {self.passes:,} {several} of" if known else "passes of"
        found = {"work": f"{of} {self.rows_per_pass:,}"}
        if self.seconds is not None:
            found["time"] = f"about {spoken(self.seconds)}"
        return {**found, "memory": f"points and gradients {self.bytes / 2**20:,.1f} MiB"}


def spoken(seconds: float) -> str:
    """A time in the unit that fits.

    Example:
        >>> spoken(0.0123), spoken(75), spoken(7300)
        ('0.012 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


class Watch:
    """Looks at the clock after the first passes, and ends the call after the second.

    Args:
        ready: waits until what was begun on a device is done.
    """

    def __init__(self, ready: Callable[[], object]) -> None:
        self._ready = ready
        self._begun = time.perf_counter()
        self.seconds: list[float] = []
        self.rows: list[int] = []

    def __call__(self, rows: int) -> None:
        self._ready()
        now = time.perf_counter()
        self.seconds.append(now - self._begun)
        self.rows.append(rows)
        self._begun = now
        if len(self.rows) == 2:
            raise Enough

    def found(self, rows: int | None, size: int) -> Cost:
        """The cost of a call of so many rows, each of which takes so many bytes."""
        each = max(self.rows)
        if rows is None:
            return Cost(None, None, each, size * each, None)
        pace = self.seconds[-1] / self.rows[-1]
        left = max(0, rows - self.rows[0])
        return Cost(rows, -(-rows // each), each, size * each, self.seconds[0] + left * pace)


def waiting(question: Question, inputs: ModelInputs) -> Callable[[], object]:
    """A function that waits for what a device has to do, by asking it for something more."""
    backend = question.wrapper.backend
    x = next(leaf.value for leaf in inputs.leaves if leaf.role == BATCHED)
    return lambda: backend.to_numpy(x[:1] + x[:1]) if backend.is_tensor(x) else None


def sizes(question: Question, inputs: ModelInputs) -> tuple[int | None, int]:
    """The rows of a call, None for those of a stated error; and a row's bytes at the points."""
    wrapper, cut, n = question.wrapper, question.doi_cut, inputs.n_records
    with wrapper.opened(inputs, cut):
        z = wrapper.activations(inputs, [cut])[cut]
        records = Records(z, inputs, wrapper.backend, 0, n, n)
        rows = None if question.tolerance else _points(question.doi.members(), records) * n
    each = sum(wrapper.backend.to_numpy(t).nbytes for t in z) // n
    return rows, each * (2 if question.statistic.gradients else 1)


def _points(members: Sequence[DoI], records: Records) -> int:
    """Those of masks are as many as the records' segments ask for."""
    stated = [m.n_points for m in members]
    pairs = zip(members, stated, strict=True)
    return sum(
        len(m.points(records, m.baseline_values(records)).weights) if n is None else n
        for m, n in pairs
    )
