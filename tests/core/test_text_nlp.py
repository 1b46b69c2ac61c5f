"""The text visualizer, on the reference backend."""

import numpy as np
import pytest

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    LambdaQoI,
    ModelInputs,
    get_model_wrapper,
)
from trulens_core.testing import ZOO, ReferenceModel, register_reference
from trulens_core.visualizations import HTML, NLP, IPython, PlainText

PLAIN = PlainText(color=False)
VOCABULARY = ["[PAD]", "a", "good", "bad", "film", "un", "##like", "##ly", "is", "it", "<b>"]
TEXTS = ["a good film", "it is un ##like ##ly", "a bad <b> film it is good"]


def tokenize(texts):
    ids = np.zeros((len(texts), 7), int)
    for row, text in zip(ids, texts, strict=True):
        words = [VOCABULARY.index(word) for word in text.split()]
        row[: len(words)] = words
    return ModelInputs([ids], {"mask": (ids > 0).astype(float)})


@pytest.fixture(scope="module")
def model():
    register_reference()
    return get_model_wrapper(ReferenceModel(ZOO["text"]))


@pytest.fixture
def show(model):
    def make(**options):
        given = {"output": PLAIN, "tokenize": tokenize, "decode": VOCABULARY.__getitem__}
        return NLP(model, **(given | options))

    return make


@pytest.fixture
def method(model):
    return InputAttribution(model, doi_cut="embedding")


def picture(show, method, texts=TEXTS, **options):
    return show(output=IPython(), **options).token_attribution(texts, method)


def values(lines, column=0):
    return [[t.value for t in line.columns[column].tokens] for line in lines]


def test_a_line_per_text_with_label_and_tokens(show, method):
    shown = show(labels=["bad", "fair", "good"]).token_attribution(TEXTS, method)
    lines = shown.splitlines()
    assert len(lines) == 3
    predicted = np.asarray(method.model(tokenize(TEXTS))).argmax(axis=1)
    for line, i in zip(lines, predicted, strict=True):
        assert line.startswith(["bad", "fair", "good"][i] + ": ")
    words = [w.partition("(")[0] for w in lines[0].split("  ")[0].split(" ")[1:]]
    assert words == ["a", "good", "film", *["[PAD]"] * 4]
    assert "un(" in lines[1]
    assert ")like(" in lines[1]


def test_numbers_are_the_sums_of_the_attributions(show, method):
    expected = method.attributions(tokenize(TEXTS)).sum(axis=-1)
    np.testing.assert_allclose(values(picture(show, method).lines), expected)


def test_masked_tokens_are_exactly_zero_and_bare(show, method):
    assert values(picture(show, method).lines)[0][3:] == [0.0] * 4
    assert "[PAD] [PAD] [PAD] [PAD]  [" in show().token_attribution(TEXTS, method)


def test_hidden_tokens_are_not_shown_and_their_sum_is_told(show, method):
    lines = picture(show, method, hidden_tokens={0, 2}).lines
    assert [t.text for t in lines[0].columns[0].tokens] == ["a", "film"]
    whole = values(picture(show, method).lines)[0]
    assert lines[0].columns[0].hidden == pytest.approx(whole[1])
    assert "hidden" in show(hidden_tokens=[0, 2]).token_attribution(TEXTS, method)
    assert "hidden" not in show(hidden_tokens=[0]).token_attribution(TEXTS, method)


def test_words_are_put_together(show, method):
    lines = picture(show, method, words=True, hidden_tokens=[0]).lines
    assert [t.text for t in lines[1].columns[0].tokens] == ["it", "is", "unlikely"]
    whole = values(picture(show, method).lines)[1]
    assert lines[1].columns[0].tokens[2].value == pytest.approx(sum(whole[2:5]))


def test_quantities_stand_side_by_side(show, model):
    every = InputAttribution(model, qoi=LambdaQoI(lambda y: y), doi_cut="embedding")
    (line,) = picture(show, every, TEXTS[:1]).lines
    assert [c.name for c in line.columns] == ["0", "1", "2"]
    (line,) = picture(show, every, TEXTS[:1], labels=["bad", "fair", "good"]).lines
    assert [c.name for c in line.columns] == ["bad", "fair", "good"]
    one = InputAttribution(model, qoi=1, doi_cut="embedding")
    expected = values(picture(show, one, TEXTS[:1]).lines)
    np.testing.assert_allclose(values([line], 1), expected)
    assert line.scale == max(abs(t.value) for c in line.columns for t in c.tokens)


def test_methods_stand_side_by_side_by_name(show, model):
    methods = {
        "saliency": InputAttribution(model, doi_cut="embedding"),
        "integrated": IntegratedGradients(model, doi_cut="embedding"),
    }
    (line,) = picture(show, methods, TEXTS[:1]).lines
    assert [c.name for c in line.columns] == ["saliency", "integrated"]
    shown = show().token_attribution(TEXTS[:1], methods)
    assert [s.partition(":")[0].split(" / ")[1] for s in shown.splitlines()] == list(methods)


def test_an_aggregate_is_given_one_token_at_a_time(show, method):
    seen = []

    def norm(token):
        seen.append(token.shape)
        return np.linalg.norm(token)

    found = values(picture(show, method, attr_aggregate=norm).lines)
    expected = np.linalg.norm(method.attributions(tokenize(TEXTS)), axis=-1)
    np.testing.assert_allclose(found, expected)
    assert set(seen) == {(6,)}


def test_accessors_find_ids_and_scores(show, method):
    tokenized = []

    def ids(inputs):
        tokenized.append(inputs)
        return inputs.args[0][:, ::-1]

    options = {"input_accessor": ids, "output_accessor": lambda y: y * -1.0}
    shown = picture(show, method, **options)
    assert [t.text for t in shown.lines[0].columns[0].tokens][-3:] == ["film", "good", "a"]
    assert isinstance(tokenized[0], ModelInputs)
    scores = np.asarray(method.model(tokenize(TEXTS)))
    assert [line.label for line in shown.lines] == [str(i) for i in scores.argmin(axis=1)]


@pytest.mark.parametrize(
    "convert",
    [
        lambda inputs: inputs,
        lambda inputs: {"ids": inputs.args[0], "mask": inputs.kwargs["mask"]},
        lambda inputs: [inputs.args[0], inputs.kwargs["mask"]],
    ],
    ids=["ModelInputs", "mapping", "list"],
)
def test_a_tokenizer_may_return_any_form_of_inputs(show, method, convert):
    expected = show().token_attribution(TEXTS, method)
    found = show(tokenize=lambda texts: convert(tokenize(texts)))
    assert found.token_attribution(TEXTS, method) == expected
    ready = show(tokenize=None).token_attribution(convert(tokenize(TEXTS)), method)
    assert ready == expected


def test_texts_may_be_any_iterable_or_one(show, method):
    expected = show().token_attribution(TEXTS[:1], method)
    assert show().token_attribution(iter(TEXTS[:1]), method) == expected
    assert show().token_attribution(TEXTS[0], method) == expected


def test_without_decode_ids_are_shown(show, method):
    shown = show(decode=None, hidden_tokens=[0]).token_attribution(TEXTS[:1], method)
    assert [w.partition("(")[0] for w in shown.split()[1:4]] == ["[1]", "[2]", "[4]"]


def test_a_token_without_text_shows_its_id(show, method):
    shown = show(decode=lambda _: "").token_attribution(TEXTS[:1], method)
    assert "[4](" in shown


def test_labels_may_be_a_mapping(show, method):
    named = show(labels={0: "no", 1: "so so", 2: "yes"}).token_attribution(TEXTS, method)
    assert named.split(":")[0] in ("no", "so so", "yes")


def test_everything_is_escaped(show, method):
    page = show(
        output=HTML(), labels=["<i>\n"] * 3, decode=lambda i: f"<u>{i}\u202e\x1b</u>"
    ).token_attribution(TEXTS, {"<s>": method, "b\u202e": method})
    assert "<i>" not in page
    assert "<u>" not in page
    assert "<s>" not in page
    assert page.isascii()
    assert r"&lt;i&gt;\n" in page


def test_a_model_is_wrapped(model, method):
    assert NLP(model.model, PLAIN).wrapper.model is model.model


# -- what is refused -----------------------------------------------------------------------------


def test_texts_without_a_tokenizer(show, method):
    with pytest.raises(ValueError, match="NLP needs tokenize="):
        show(tokenize=None).token_attribution(TEXTS, method)


def test_attributions_that_are_not_per_token(show, model):
    with pytest.raises(ValueError, match=r"shape \(3, 5\); for token ids of shape \(3, 7\)"):
        show().token_attribution(TEXTS, InputAttribution(model, doi_cut="hidden"))


def test_ids_that_are_not_ids(show, method):
    with pytest.raises(ValueError, match=r"dtype float64; they must be ints, .*input_accessor="):
        show(input_accessor=lambda x: x.kwargs["mask"]).token_attribution(TEXTS, method)


def test_inputs_without_ids(show, method):
    with pytest.raises(ValueError, match="holds no ints of shape"):
        show(tokenize=lambda texts: np.zeros((3, 7))).token_attribution(TEXTS, method)


def test_scores_per_token(show, model, method):
    embedded = show(output_accessor=lambda y: y[:, None, :])
    with pytest.raises(ValueError, match=r"shape \(3, 1, 3\).*output_accessor="):
        embedded.token_attribution(TEXTS, method)


def test_labels_that_are_too_few(show, method):
    with pytest.raises(IndexError, match="labels has 0 names, and none for class"):
        show(labels=[]).token_attribution(TEXTS, method)


def test_an_aggregate_that_gives_several_numbers(show, method):
    with pytest.raises(ValueError, match=r"attr_aggregate gave shape \(6,\)"):
        show(attr_aggregate=lambda token: token).token_attribution(TEXTS, method)


def test_what_is_no_method(show):
    with pytest.raises(ValueError, match="attr is ndarray; give an attribution method"):
        show().token_attribution(TEXTS, np.zeros((3, 7)))


def test_no_method_at_all(show):
    with pytest.raises(ValueError, match="attr is empty; give an attribution method"):
        show().token_attribution(TEXTS, {})


def test_options_are_checked_at_once(show):
    with pytest.raises(ValueError, match="output is 'html'; it must be"):
        show(output="html")
    with pytest.raises(ValueError, match=r"hidden_tokens is .*token ids, which are ints"):
        show(hidden_tokens=["[PAD]"])
