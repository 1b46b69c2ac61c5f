"""What explain_generation is given: lists, places, unknown words, functions; no wrong number."""

import warnings

import numpy as np
import pytest
from tests.torch.writers import IDS, OUT, talking, writer

from trulens_core import (
    ExpectedGradients,
    QoiError,
    TrulensWarning,
    explain_generation,
    explain_segments,
)
from trulens_core.text.padding import check_padding
from trulens_torch.testing import trained_language_model

LISTS = [
    (lambda m: explain_generation(m, None, [IDS] * 3, "abc"), "a list of 3; give a list"),
    (
        lambda m: explain_generation(m, None, [IDS] * 2, [OUT] * 2, quantity=("contrast", "ab")),
        "with a contrast for each",
    ),
    (
        lambda m: explain_generation(m, None, [IDS] * 2, [OUT] * 2, quantity=("contrast", [OUT])),
        "2 prompts and 1 contrasts",
    ),
    (lambda m: explain_generation(m, None, IDS, [8, -100]), "holds -100"),
    (lambda m: explain_generation(m, None, [*IDS, -1], OUT), "holds -1"),
    (lambda m: explain_generation(m, None, IDS, OUT, generate={}, hold=[0.5]), "are ints"),
    (lambda m: explain_generation(m, None, IDS, OUT, hold=[True] * 8), "are ints"),
    (lambda m: explain_generation(m, None, IDS, OUT, attribute=[(4, 2)]), r"\(4, 2\)"),
    (lambda m: explain_generation(m, None, IDS, OUT, attribute=[(-3, -1)]), r"\(-3, -1\)"),
    (lambda m: explain_generation(m, None, IDS, OUT, attribute=[(6, 9)]), "the text's 8"),
    (
        lambda m: explain_generation(m, None, IDS, OUT, generate={"max_new_tokens": 2}),
        "a continuation is given",
    ),
]


@pytest.mark.parametrize(("given", "said"), LISTS)
def test_what_would_have_been_taken_for_something_else_is_told(given, said):
    with pytest.raises(ValueError, match=said):
        given(talking())


def test_options_that_have_other_words_here_are_refused():
    for name in ("qoi", "doi_cut", "contract"):
        with pytest.raises(TypeError, match=f"{name}= is no option here"):
            explain_generation(talking(), None, IDS, OUT, **{name: 0})
    with pytest.raises(IndexError, match="has the place 8, and the text has 8"):
        explain_generation(talking(), None, IDS, OUT, hold=[8])


def test_a_list_of_one_has_its_contrast_in_a_list():
    model = writer("gpt2")
    (listed,) = explain_generation(model, None, [IDS], [OUT], quantity=("contrast", [OUT[::-1]]))
    alone = explain_generation(model, None, IDS, OUT, quantity=("contrast", OUT[::-1]))
    np.testing.assert_array_equal(listed.attributions, alone.attributions)


def test_a_function_gives_a_number_for_each_target():
    with pytest.raises(QoiError, match="gave shape"):
        explain_generation(writer("gpt2"), None, IDS, OUT, quantity=lambda s: s.sum(1))


def test_an_unknown_word_is_a_word_and_not_held():
    """Tokenizers call the token for unknown words special, as those that mark something."""
    model, tokenizer = trained_language_model(steps=1)
    found = explain_generation(model, tokenizer, "the zebra opens at", " nine")
    assert found.inputs.special.tolist() == [True, False, False, False, False]
    assert found.attributions[0, 2] != 0
    marked = explain_generation(model, tokenizer, "the <pad> opens at", " nine")
    assert marked.inputs.special.tolist() == [True, False, True, False, False]
    ids = tokenizer("the zebra opens at").input_ids
    tokenizer.unk_token = "rumour"  # ids do not tell what was written: what is known is the role
    assert "rumour" in tokenizer.all_special_tokens
    ids[2] = tokenizer.unk_token_id
    told = explain_generation(model, tokenizer, ids, " nine")
    assert told.inputs.special.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ([(10, 5)], r"segments has \(10, 5\)"),
        ([(0, 6), (4, 9)], "overlap, and a part is removed once"),
        ([(90, 99)], "in the text of"),
        ([(3, 5), (5, 6)], "'e' has no token of its own"),
        ([(0, 3), (7, 12)], "'<s>' has no token of its own"),
    ],
)
def test_segments_that_are_not_what_they_seem(segments, said):
    model, tokenizer = trained_language_model(steps=1)
    with pytest.raises(ValueError, match=said):
        explain_segments(model, tokenizer, "the shop opens at", " nine", segments=segments)


def test_no_samples_are_none():
    model, tokenizer = trained_language_model(steps=1)
    with pytest.raises(ValueError, match="samples is 0"):
        explain_segments(model, tokenizer, "the shop . so at", " nine", samples=0)


def test_padding_that_nothing_tells_of_is_refused():
    """It would be read as text."""
    model, long = writer("gpt2"), [*IDS, 33]
    padded = np.array([[0, *IDS], long])
    with pytest.raises(ValueError, match="text 0 begins or ends with the id 0, which pads"):
        explain_generation(model, None, padded, [OUT] * 2)
    with pytest.raises(ValueError, match="no attention_mask"):
        explain_segments(model, None, padded[::-1, ::-1], [OUT] * 2, segments="words")
    given = {"input_ids": padded, "attention_mask": padded > 0}
    found = explain_generation(model, None, given, [OUT] * 2)
    assert [len(r.inputs) for r in found] == [5, 6]


def test_padding_that_may_be_the_end_of_a_text_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_padding([np.array([2, 5])], Padding())  # one start of a text is none
        check_padding([np.array([2, 5]), np.array([2, 7])], Padding())
        check_padding([np.array([5, 2])], Padding())
    with pytest.warns(TrulensWarning, match="also marks the end of a text"):
        check_padding([np.array([5, 6]), np.array([7, 2])], Padding())


class Padding:
    """A tokenizer that pads as texts end, as that of GPT-2 often does."""

    pad_token_id = eos_token_id = bos_token_id = 2


SPANS = {"segments": [(2, 4), (4, 6)]}
FEW = {"input_ids": [IDS]}
PLACES = {**FEW, "position_ids": np.arange(5)[None]}
TOLD = [
    (lambda m: explain_generation(m, None, PLACES, [OUT]), ValueError, "has position_ids"),
    (lambda m: explain_segments(m, None, PLACES, OUT, **SPANS), ValueError, "has position_ids"),
    (lambda m: explain_generation(m, None, [5, 400], OUT), ValueError, "id 400, and the model"),
    (lambda m: explain_segments(m, None, [5, 400], OUT, **SPANS), ValueError, "id 400, and the"),
    (lambda m: explain_generation(m, "gpt2", "a", " b"), TypeError, "the text 'gpt2'"),
    (lambda m: explain_generation(m, None, IDS, OUT, targets=[0]), ValueError, "targets is"),
    (lambda m: explain_generation(m, None, IDS, OUT, targets=0), ValueError, "targets is 0"),
    (lambda m: explain_generation(m, None, IDS, OUT, targets=[]), ValueError, r"targets is \[\]"),
    (lambda m: explain_generation(m, None, IDS, generate=5), TypeError, "generate is 5"),
    (lambda m: explain_segments(m, None, IDS, OUT, rebatch_size=-1), ValueError, "size is -1"),
    (lambda m: explain_segments(m, None, IDS, OUT, segments=[1]), ValueError, r"is \[1\]"),
]


@pytest.mark.parametrize(("given", "error", "said"), TOLD)
def test_what_a_model_would_have_stumbled_over_is_told(given, error, said):
    with pytest.raises(error, match=said):
        given(talking())


def test_results_of_another_kind_are_not_compared():
    one = explain_generation(talking(), None, IDS, OUT)
    other = explain_segments(talking(), None, IDS, OUT, **SPANS)
    for a, b in ((one, other), (other, one)):
        with pytest.raises(TypeError, match="is compared with another"):
            a.agreement(b)
    with pytest.raises(TypeError, match=r"give \['5'\]"):
        other.share("5")


def test_types_of_tokens_that_say_nothing_go():
    """Some tokenizers give them for every text."""
    typed = {**FEW, "token_type_ids": np.zeros((1, 5), "int64")}
    model = talking()
    (found,), (alone,) = (explain_generation(model, None, p, [OUT]) for p in (typed, FEW))
    np.testing.assert_array_equal(found.attributions, alone.attributions)
    found, alone = (explain_segments(model, None, p, OUT, **SPANS) for p in (typed, FEW))
    np.testing.assert_array_equal(found.attributions, alone.attributions)


def test_one_token_asked_about_by_itself_is_a_row():
    found = explain_segments(talking(), None, IDS, OUT[:1], targets="each", **SPANS)
    assert found.attributions.shape == (1, 2)


def test_a_contrast_says_with_what():
    model, other = writer("gpt2"), OUT[::-1]
    found = explain_generation(model, None, IDS, OUT, quantity=("contrast", other))
    assert found.method["quantity"] == "contrast with '40 11 8'"
    assert "the contrast with '40 11 8' of 3 targets" in str(found)
    assert "contrast with &#x27;40 11 8&#x27;" in found._repr_html_()


def test_a_frame_has_the_errors_too():
    vectors = writer("gpt2").get_input_embeddings().weight.detach()[None, :7].repeat(3, 1, 1)
    options = {"data": vectors, "samples": 4, "method": ExpectedGradients}
    found = explain_generation(writer("gpt2"), None, IDS, OUT, **options)
    errors = found.to_frame()["standard_error"].to_numpy()
    np.testing.assert_array_equal(errors, found.standard_error.reshape(-1))
