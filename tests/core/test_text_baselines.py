"""Token baselines, on the reference backend and on NumPy arrays."""

import numpy as np
import pytest

from trulens_core import IntegratedGradients, LinearDoi, ModelInputs, get_model_wrapper
from trulens_core.testing import ZOO, ReferenceModel, register_reference
from trulens_core.text import token_baseline, token_baseline_swap

CLS, SEP, PAD, MASK = 1, 2, 0, 3
IDS = np.array([[CLS, 5, 6, SEP, PAD], [CLS, 7, 5, 9, SEP]])
TABLE = np.random.default_rng(0).normal(size=(11, 6))


def first(inputs):
    return inputs.args[0]


def inputs(ids=IDS):
    return ModelInputs([ids])


def test_other_tokens_are_replaced():
    ids = token_baseline({CLS, SEP}, MASK, first)
    expected = [[CLS, MASK, MASK, SEP, MASK], [CLS, MASK, MASK, MASK, SEP]]
    np.testing.assert_array_equal(ids(None, inputs()), expected)
    np.testing.assert_array_equal(ids(z=None, model_inputs=inputs()), expected)
    assert ids(None, inputs()).dtype == IDS.dtype


def test_the_caller_s_ids_stay_as_they_are():
    before = IDS.copy()
    token_baseline([], PAD, first)(None, inputs())
    token_baseline_swap([(5, 6)], first)(None, inputs())
    np.testing.assert_array_equal(IDS, before)


def test_embeddings_are_those_of_the_ids():
    ids, embeddings = token_baseline({CLS}, PAD, first, TABLE.__getitem__)
    expected = TABLE[ids(None, inputs())]
    np.testing.assert_array_equal(embeddings(None, inputs()), expected)


def test_where_all_is_kept_nothing_changes():
    ids, embeddings = token_baseline(range(11), PAD, first, TABLE.__getitem__)
    np.testing.assert_array_equal(ids(None, inputs()), IDS)
    np.testing.assert_array_equal(embeddings(None, inputs()), TABLE[IDS])


def test_several_replacements_are_the_mean_of_their_embeddings():
    ids, embeddings = token_baseline({CLS, SEP}, range(11), first, TABLE.__getitem__)
    found = embeddings(None, inputs())
    kept = np.isin(IDS, [CLS, SEP])
    np.testing.assert_array_equal(found[kept], TABLE[IDS][kept])
    np.testing.assert_allclose(found[~kept], np.broadcast_to(TABLE.mean(axis=0), (6, 6)))
    with pytest.raises(ValueError, match="has no ids; use the second baseline"):
        ids(None, inputs())


def test_pairs_change_places():
    ids = token_baseline_swap([(5, 6), (7, 9)], first)
    expected = [[CLS, 6, 5, SEP, PAD], [CLS, 9, 6, 7, SEP]]
    np.testing.assert_array_equal(ids(None, inputs()), expected)


def test_swapping_twice_gives_the_ids_back():
    ids = token_baseline_swap([(5, 6), (7, 9), (4, 4 + 4)], first)
    np.testing.assert_array_equal(ids(None, inputs(ids(None, inputs()))), IDS)


def test_swapped_embeddings():
    _, embeddings = token_baseline_swap([(5, 6)], first, TABLE.__getitem__)
    swapped = np.where(IDS == 5, 6, np.where(IDS == 6, 5, IDS))
    np.testing.assert_array_equal(embeddings(None, inputs()), TABLE[swapped])


def test_numpy_numbers_are_token_ids():
    ids = token_baseline(np.array([CLS, SEP]), np.int64(MASK), first)
    assert ids(None, inputs())[0].tolist() == [CLS, MASK, MASK, SEP, MASK]


def test_lists_are_taken_as_arrays():
    assert token_baseline([CLS], PAD, first)(None, inputs([[CLS, 5]])).tolist() == [[CLS, PAD]]


@pytest.mark.parametrize("rebatch_size", [None, 1, 3])
@pytest.mark.parametrize("kind", ["one", "mean", "swap"])
def test_in_a_method_it_is_the_baseline_and_completeness_holds(kind, rebatch_size):
    register_reference()
    wrapper = get_model_wrapper(ReferenceModel(ZOO["text"]))
    args, kwargs = ZOO["text"].inputs(3)

    table = wrapper.model.weights["embedding.weight"]

    def embed(ids):
        numbers = ids if isinstance(ids, np.ndarray) else wrapper.backend.to_numpy(ids)
        return table[numbers]

    made = {
        "one": lambda: token_baseline({1, 2}, 0, first, embed),
        "mean": lambda: token_baseline({1, 2}, [3, 4, 5], first, embed),
        "swap": lambda: token_baseline_swap([(1, 2), (3, 4)], first, embed),
    }
    _, embeddings = made[kind]()
    method = IntegratedGradients(
        wrapper, embeddings, 200, doi_cut="embedding", qoi=0, rebatch_size=rebatch_size
    )
    result = method.explain(*args, **kwargs)
    assert np.abs(result.residual).max() < 1e-4
    base = np.asarray(embeddings(None, ModelInputs(args, kwargs)))
    given = IntegratedGradients(wrapper, base, 200, doi_cut="embedding", qoi=0).explain(
        *args, **kwargs
    )
    np.testing.assert_allclose(result.attributions, given.attributions, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(result.baseline_quantity, given.baseline_quantity, rtol=1e-10)


# -- what is refused -----------------------------------------------------------------------------


def test_several_replacements_need_embeddings():
    with pytest.raises(ValueError, match="holds 2 ids; give one id, or several with ids_to"):
        token_baseline([], [1, 2], first)
    with pytest.raises(ValueError, match="holds 0 ids"):
        token_baseline([], [], first, TABLE.__getitem__)


@pytest.mark.parametrize("wrong", ["[PAD]", 1.5, None, True])
def test_tokens_are_ids(wrong):
    with pytest.raises(ValueError, match="token ids are ints"):
        token_baseline([], wrong, first, TABLE.__getitem__)
    with pytest.raises(ValueError, match="token ids are ints"):
        token_baseline([wrong], 0, first)
    with pytest.raises(ValueError, match="token ids are ints"):
        token_baseline_swap([(wrong, 1)], first)


def test_pairs_are_pairs_and_none_has_two():
    with pytest.raises(ValueError, match="each must be two ids"):
        token_baseline_swap([(1, 2, 3)], first)
    with pytest.raises(ValueError, match=r"has the ids \[2\] more than once"):
        token_baseline_swap([(1, 2), (2, 3)], first)


def test_ids_are_needed():
    with pytest.raises(ValueError, match="reads the ids from model_inputs, and none"):
        token_baseline([], 0, first)(IDS)
    with pytest.raises(ValueError, match="gave float64; it must give the token ids"):
        token_baseline([], 0, first)(None, inputs(IDS * 1.0))


def test_a_distribution_alone_takes_it():
    _, embeddings = token_baseline({CLS}, PAD, first, TABLE.__getitem__)
    with pytest.raises(ValueError, match="token ids"):
        embeddings(None, ModelInputs([TABLE]))
    assert LinearDoi(embeddings).resolution == 10
