"""One case: a random network, a random explanation of it, and how the two answers compare."""

import contextlib
import dataclasses
import io
import re
import traceback
import warnings
from collections import Counter

import drawing
import numpy as np
from explanations import Chooser
from oracle import Oracle
from places import Places
from plain_runs import INPUT, Site

from trulens_core import LambdaQoI, ModelInputs, TrulensError
from trulens_core.testing import relative_error

TOLERANCES = {"float64": 1e-10, "float32": 1e-4}
MIXES = "rows see one another"


@dataclasses.dataclass
class Outcome:
    """What came of a case. `wrong` is a text where something is."""

    seed: int
    kind: str = "equal"
    wrong: str = ""
    error: float = 0.0
    refusal: str = ""
    options: tuple[str, ...] = ()
    inner: bool = False
    narrow: bool = False
    fallback: bool = False
    beside: bool = False


class Case:
    """A case by its seed.

    Args:
        framework: the class of the framework.
        seed: of everything.
    """

    def __init__(self, framework, seed):
        self.seed = seed
        self.rng = rng = np.random.default_rng([seed, 20])
        self.network = drawing.network(rng, framework.abilities)
        self.dtype = "float64" if rng.random() < 0.93 else "float32"
        self.fw = framework(self.network, rng, self.dtype)
        self.n = int(rng.choice([1, 4]) if framework.abilities.few else rng.integers(1, 8))
        self.args, self.kwargs = self._inputs()
        tensors = [self.fw.tensor(a) for a in self.args]
        named = {k: self.fw.tensor(v) for k, v in self.kwargs.items()}
        places = Places(self.fw, tensors, named, self.n)
        for _ in range(20):
            self.asked = Chooser(self.fw, rng, places, self.n).explanation()
            if self.asked is not None:
                break
        self.places = places
        self.how = {name: float(rng.random()) for name in ("kind", "wrap", "calls", "raise")}

    @property
    def shared(self):
        return {a.name for a in self.network.arguments if a.role == "shared"}

    def _inputs(self):
        args, kwargs = [], {}
        for a in self.network.arguments:
            value = self._value(a)
            if a.keyword:
                kwargs[a.name] = value
            else:
                args.append(value)
        return args, kwargs

    def _value(self, a):
        rng, shape = self.rng, (self.n, *a.shape)
        if a.role in ("ids", "index"):
            return rng.integers(a.size, size=shape)
        if a.role == "mask":
            mask = rng.random(shape) < 0.7
            mask[:, 0] = True
            return mask
        value = rng.normal(size=a.shape if a.role == "shared" else shape)
        if self.fw.channels_last and value.ndim == 4:
            value = np.moveaxis(value, 1, -1)
        return value.astype(self.dtype)

    # -- the library's side ------------------------------------------------------------------

    def given(self):
        """The inputs as a caller has them, and how that counts."""
        how, fw = self.how["kind"], self.fw
        numpy = how < 0.5
        convert = (lambda a: a.copy()) if numpy else fw.tensor
        args = [convert(a) for a in self.args]
        kwargs = {k: convert(v) for k, v in self.kwargs.items()}
        options = ["input: numpy" if numpy else "input: tensors"]
        if 0.3 < how < 0.6:
            options.append("input: ModelInputs")
            return [ModelInputs(args, kwargs)], {}, [args, kwargs], options
        if how > 0.9 and not kwargs:
            options.append("input: list")
            return [args], kwargs, [args, kwargs], options
        return args, kwargs, [args, kwargs], options

    def wrapper(self):
        options = {"batched": dict.fromkeys(self.shared, False)} if self.shared else {}
        more = ["wrapper: batched"] if self.shared else []
        if self.fw.name == "torch" and self.how["wrap"] < 0.1:
            options["device"] = "cpu"
            more.append("wrapper: device")
        return self.fw.wrapped(options), more

    def ask(self, outcome, wrapper, more):
        """The library's answers, one for every call."""
        args, kwargs, held, options = self.given()
        direct = self.how["wrap"] > 0.85 and not more and not self.network.functional
        method = self.asked.make(self.fw.model if direct else wrapper)
        outcome.options = (*self.asked.options, *options, *more, f"dtype: {self.dtype}")
        before = [np.array(self.fw.numpy_of(x)) for x in flat(held)]
        times = 1 if self.how["calls"] < 0.7 else 3
        found = []
        for _ in range(times):
            with contextlib.redirect_stderr(io.StringIO()):
                call = method.explain if self.asked.explain else method.attributions
                found.append(call(*args, **kwargs))
        same = zip(before, flat(held), strict=True)
        if any(not np.array_equal(a, self.fw.numpy_of(b)) for a, b in same):
            outcome.wrong = "the caller's inputs were changed"
        return found

    def run(self):
        """The outcome."""
        outcome = Outcome(self.seed)
        if self.asked is None:
            outcome.kind = "no place"
            return outcome
        wrapped = self.wrapper()
        state = self.fw.state()
        self.fw.log.clear()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                found = self.ask(outcome, *wrapped)
            except TrulensError as error:
                outcome.kind = "refused"
                outcome.refusal = f"{type(error).__name__}: {error}"
            except Exception:  # noqa: BLE001 - any other is a finding
                outcome.kind, outcome.wrong = "crashed", traceback.format_exc()
        self.observe(outcome, said)
        if self.fw.state() != state:
            outcome.wrong += damage(state, self.fw.state())
        if outcome.kind == "equal":
            self.compare(outcome, found)
        if self.how["raise"] < 0.15 and not outcome.wrong:
            self.interrupt(outcome, wrapped[0], state)
        if outcome.wrong and outcome.kind == "equal":
            outcome.kind = "wrong"
        return outcome

    def observe(self, outcome, said):
        """From outside: the way in which the points went through the network."""
        asked = self.asked
        outcome.fallback = any(MIXES in str(w.message) for w in said)
        lines = asked.distribution
        many = lines is not None and lines.name not in ("point", "PointDoi")
        passes = [p for graded, p in self.fw.log if graded]
        most = max((n for p in passes for n in p.values()), default=0)
        outcome.beside = many and most > self._n_points()
        if many and all(s.place != INPUT for s in asked.doi_sites):
            outcome.inner, outcome.narrow = self._narrow(passes)

    def _narrow(self, passes):
        """Whether passes with several points were seen, and whether one of them was narrow.

        What comes before the cut has fewer rows in a narrow pass than what comes after it.
        """
        sites = self.asked.doi_sites
        places = self.places
        before = {p.name.rpartition(".")[2] for s in sites for p in places.before(s)}
        after = {
            p.name.rpartition(".")[2]
            for p in places.values
            for s in sites
            if s.place in places.before(Site(p)) and p.name != s.place.name
        }
        after, before = after - before, before - after
        seen = []
        for p in passes:
            old = [n for name, n in p.items() if name in before]
            new = [n for name, n in p.items() if name in after]
            if new:
                seen.append((max(old, default=0), max(new)))
        if not any(old for old, _ in seen):
            return False, False  # no layer comes before the cut
        narrow = any(old < new for old, new in seen)
        return narrow or len({new for _, new in seen}) > 1, narrow

    def _n_points(self):
        lines = self.asked.distribution
        if lines is None:
            return 1
        sites = self.asked.doi_sites
        z = [a[:1] for s in sites for a in self.places.arrays(s)]
        return sum(len(line) for line in lines.lines([0], z)) if z else 1

    # -- comparing ---------------------------------------------------------------------------

    def oracle(self):
        return Oracle(self.fw, self.args, self.kwargs, self.shared, self.asked, self.n)

    def compare(self, outcome, found):
        if self.asked.explain:
            self.asked.n_points = found[-1].n_points
        oracle = self.oracle()
        expected, quantities = oracle.answer()
        expected = [t for ts in expected for t in ts]
        limit, eps = TOLERANCES[self.dtype], np.finfo(self.dtype).eps
        outcome.error = max(self.deviation(answer, expected) for answer in found)
        if not all(self.same_quantity(answer, quantities, limit) for answer in found):
            outcome.wrong += "another quantity"
        if outcome.error <= limit:
            return
        outcome.kind = "little is left"  # of numbers that cancel
        least = [eps * np.maximum(oracle.sizes, 0.1)] * len(expected)
        off = max(self.deviation(answer, expected, least) for answer in found)
        if off > 100:
            outcome.kind = "a rounding moves it"  # a value is at a kink, or near a pole
            scales = self.rounding(expected, least)
            off = max(self.deviation(answer, expected, scales) for answer in found)
        if off > 100:
            outcome.wrong += f"relative error {outcome.error:.1e}, {off:.0e} times rounding"

    def deviation(self, answer, expected, scales=None):
        """The relative error; in parts of the records' scales where they are given."""
        found = flat(answer.attributions if self.asked.explain else answer)
        found = [np.asarray(self.fw.numpy_of(t)) for t in found]
        if [t.shape for t in found] != [t.shape for t in expected]:
            return float("inf")
        if scales is not None:
            each = zip(found, expected, scales, strict=True)
            return max(float(np.max(by_record(a - b) / s)) for a, b, s in each)
        return max(relative_error(a, b) for a, b in zip(found, expected, strict=True))

    def same_quantity(self, answer, quantities, limit):
        """Whether the quantity is that of the records; a neuron's is another."""
        if not self.asked.explain or answer.quantity is None or not self.quantity_is_target():
            return True
        q = np.asarray(self.fw.numpy_of(answer.quantity)).reshape(quantities.shape)
        off = np.abs(q - quantities)
        return bool((off <= limit * np.maximum(np.abs(quantities), 1.0)).all())

    def quantity_is_target(self):
        return "method: NeuronConductance" not in self.asked.options

    def rounding(self, expected, scales):
        """How far the loops' own answers move when inputs and points move by a rounding."""
        rng, eps = np.random.default_rng(0), np.finfo(self.dtype).eps
        self.fw.jitter = lambda t: (
            t + 4 * eps * rng.choice([-1.0, 1.0], size=t.shape) * (np.abs(t) + 0.1)
        )
        try:
            for _ in range(8):
                moved = [t for ts in self.oracle().answer()[0] for t in ts]
                both = zip(scales, moved, expected, strict=True)
                scales = [np.maximum(s, by_record(a - b)) for s, a, b in both]
        finally:
            self.fw.jitter = None
        return scales

    def interrupt(self, outcome, wrapper, state):
        """An error of the caller's passes through, and leaves nothing behind."""
        passes = [int(self.rng.integers(1, 4))]

        def broken(y):
            passes[0] -= 1
            if passes[0] <= 0:
                raise ZeroDivisionError("stop")
            return self.fw.sum(y[0] if isinstance(y, list | tuple) else y, None)

        args, kwargs, _, _ = self.given()
        own, self.asked.quantity.given = self.asked.quantity.given, LambdaQoI(broken)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                self.asked.make(wrapper).attributions(*args, **kwargs)
        except (ZeroDivisionError, TrulensError):
            pass
        except Exception:  # noqa: BLE001 - another error is a finding
            outcome.wrong += f"another error than the caller's: {traceback.format_exc()}"
        finally:
            self.asked.quantity.given = own
        if self.fw.state() != state:
            outcome.wrong += "after an error: " + damage(state, self.fw.state())


def by_record(t):
    """The largest size in each record."""
    return np.abs(np.asarray(t, "float64")).reshape(len(t), -1).max(axis=1, initial=0.0)


def flat(value):
    if isinstance(value, dict):
        return [x for v in value.values() for x in flat(v)]
    if isinstance(value, list | tuple):
        return [x for v in value for x in flat(v)]
    return [value]


def in_general(message):
    """A message without the names and numbers of its case."""
    for particular in (r"<(locals|lambda)>", r"<[^<>]*>", r"'[^']*'", r"\d+"):
        message = re.sub(particular, "…", message)
    return message[:150]


def damage(before, after, path=""):
    """Where two states differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [k for k in {*before, *after} if before.get(k) != after.get(k)]
        return "".join(damage(before.get(k), after.get(k), f"{path}.{k}") for k in keys)
    return f"damage at {path}: {str(before)[:80]} became {str(after)[:80]}\n"


class Tally:
    """What came of many cases."""

    def __init__(self):
        self.outcomes = []

    def add(self, outcome):
        self.outcomes.append(outcome)

    @property
    def wrong(self):
        return [o for o in self.outcomes if o.wrong]

    def report(self):
        """The shares, as lines."""
        told = [o for o in self.outcomes if o.kind != "no place"]
        kinds = Counter(o.kind for o in self.outcomes)
        inner = [o for o in told if o.inner and o.kind != "refused"]
        done = [o for o in told if o.kind != "refused"]
        share = lambda part, whole: (
            f"{len(part)} of {len(whole)}, {len(part) / max(1, len(whole)):.1%}"
        )
        yield f"cases: {len(self.outcomes)}: " + ", ".join(f"{k} {n}" for k, n in kinds.items())
        yield "refused: " + share([o for o in told if o.kind == "refused"], told)
        yield "fallen back to one point a pass: " + share([o for o in done if o.fallback], done)
        yield "narrow pass, of those with points at an inner cut: " + share(
            [o for o in inner if o.narrow], inner
        )
        yield "b > 1, several records in a pass with points: " + share(
            [o for o in done if o.beside], done
        )
        worst = max((o.error for o in done if not o.wrong and o.kind == "equal"), default=0.0)
        yield f"largest relative error: {worst:.1e}"
        for name, n in sorted(Counter(x for o in told for x in set(o.options)).items()):
            yield f"  {n:6d}  {name}"
        for kind, n in Counter(in_general(o.refusal) for o in told if o.refusal).most_common():
            yield f"  refused {n}: {kind}"
