"""What is kept of a design for the next call is what a new one makes, to the bit."""

import concurrent.futures
import itertools

import numpy as np
import pytest

from trulens_core import KernelSHAP, Segments, ShapleyValues
from trulens_core.distributions.designs import Uniforms
from trulens_core.perturbation.kernel import Kernel, Pairs
from trulens_core.segments import resolved
from trulens_core.testing import small_model

CASES = list(itertools.product((6, 12), (70, 300), (0, 7), (False, True)))


def everything(masks):
    return [masks(0, masks.n), masks.draws(0, masks.n), masks.fixed, masks.weights, masks.inverse]


def of_segments(n):
    return resolved(None, [np.zeros((1, n))])[0]


def asked(case):
    k, n, seed, drawn = case
    return Kernel(n, seed).masks(of_segments(k), drawn)


def same(found, expected):
    pairs = zip(everything(found), everything(expected), strict=True)
    return found.n == expected.n and all(np.array_equal(a, b) for a, b in pairs)


def test_each_choice_has_a_design_of_its_own():
    kept = {case: asked(case) for case in CASES + CASES[::-1]}
    assert all(same(kept[case], Pairs(*case)) for case in CASES)
    random = [kept[case] for case in CASES if case[0] == 12 or case[3]]  # else all 62 fit
    assert len({masks(0, masks.n).tobytes() for masks in random}) == len(random) == 12


def test_the_same_choice_shares_one_and_a_large_one_is_not_kept():
    assert asked(CASES[0]) is asked(CASES[0])
    large = 20, 2**14, 0, False
    assert asked(large) is not asked(large)


def test_what_is_kept_cannot_be_written():
    masks = asked((12, 300, 0, False))
    for array in (masks.fixed, masks.weights, masks.inverse, masks.coalitions(0, 4)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    own = masks(0, 9)
    own[...] = False  # the caller's
    assert same(masks, Pairs(12, 300, 0, False))


def test_too_few_samples_are_an_error_each_time():
    for _ in range(2):
        with pytest.raises(ValueError, match="too few"):
            Kernel(20).masks(of_segments(12), False)


def test_threads_share_designs():
    expected = everything(Pairs(12, 2000, 3, False))
    shared = Pairs(12, 2000, 3, False)
    ranges = [(i, min(i + 300, shared.n)) for i in range(0, shared.n, 150)] * 5

    def right(at):
        return np.array_equal(shared(*at), expected[0][slice(*at)])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, ranges))


def test_threads_share_draws():
    numbers, chunks = Uniforms(1, 2, 50), [(i, i + 1) for i in range(0, 256 * 40, 256)] * 20
    expected = {at: Uniforms(1, 2, 50)(*at) for at in chunks[:40]}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: numbers(*at), chunks))
    assert all(np.array_equal(f, expected[at]) for f, at in zip(found, chunks, strict=True))


def test_calls_among_others_give_what_a_first_call_gives():
    model, x = small_model()
    methods = [KernelSHAP(model, qoi=0, samples=n, seed=s) for n in (60, 90) for s in (0, 1)]
    methods.append(KernelSHAP(model, Segments.columns([[0, 1]]), qoi=0, samples=60))
    first = [m.attributions(x) for m in methods]
    moved = x.copy()
    moved[0, 2] = 0.0  # equals its baseline: one segment fewer
    other = [m.attributions(moved) for m in methods]
    assert all(np.array_equal(m.attributions(x), a) for m, a in zip(methods, first, strict=True))
    exact = ShapleyValues(model, qoi=0).attributions(moved)
    assert all(np.allclose(a, exact, atol=1e-10) for a in other[:4])


def test_every_element_by_itself_is_of_its_shape():
    shapes = [(6,), (2, 3), (3, 2), (6, 1), (300, 300), (6,)]
    for shape in shapes:
        ((own,),) = resolved(None, [np.zeros((1, *shape))])
        assert own.shape == shape
        assert np.array_equal(own.labels, np.arange(np.prod(shape)).reshape(shape))
