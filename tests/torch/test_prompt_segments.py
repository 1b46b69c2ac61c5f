"""Parts of prompts taken out: beside texts that are written without them, and what decides."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
import transformers
from tests.torch.trained import CLEAN, CONTRAST, trained
from tests.torch.writers import IMAGE, LLAMA, SEVERAL, scattered, seeing, talking, tokenizer, writer

from trulens_core import (
    ExpectedGradients,
    IntegratedGradients,
    TokenQoI,
    explain_segments,
    get_model_wrapper,
)
from trulens_core.testing.reports import PLACES, TIMES, report
from trulens_core.text.reading import read_prompts
from trulens_core.text.stretches import stretches

IDS, OUT = [5, 9, 12, 7, 30, 21, 14, 33, 6], [8, 11]
# four segments of the ids; the first and the last token are held
SPANS = [(1, 3), (3, 4), (4, 6), (6, 8)]
PAIRS = list(itertools.permutations(TIMES, 2))[::4]
SIDES = False, True
WORDS = CLEAN.text.partition(" so ")[0].split()


def spans_of_text(spans):
    offsets = read_prompts(torch.tensor(IDS)).texts[0].offsets
    return [(offsets[a][0], offsets[b - 1][1]) for a, b in spans]


def without(spans):
    gone = {i for a, b in spans for i in range(a, b)}
    return [t for i, t in enumerate(IDS) if i not in gone]


def answered(model, ids, out=OUT):
    """The log-probability of the answer after a text that is written as it is."""
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([[*ids, *out[:-1]]])).logits[0], -1)
    return [float(scores[len(ids) - 1 + i, t]) for i, t in enumerate(out)]


def explained(family, **options):
    parts = spans_of_text(SPANS)
    return explain_segments(
        writer(family), None, torch.tensor(IDS), torch.tensor(OUT), segments=parts, **options
    )


@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("gpt2", "attention mask"),
        ("llama", "attention mask"),
        ("qwen2", "attention mask"),
        ("gemma", "attention mask"),
        ("mistral", "shorter texts, filled up at the end"),
        ("mamba", "shorter texts, filled up at the end"),
    ],
)
def test_to_delete_is_to_have_never_written(family, how):
    model, found = writer(family), explained(family)
    assert found.removed_by == how
    whole = sum(answered(model, IDS))
    expected = [whole - sum(answered(model, without([s]))) for s in SPANS]
    np.testing.assert_allclose(found.attributions, expected, rtol=0, atol=1e-6)
    assert abs(found.quantity[0] - whole) < 1e-6


def test_a_mask_is_the_same_to_the_last_bits():
    expected = [
        sum(answered(writer("gpt2"), IDS)) - sum(answered(writer("gpt2"), without([s])))
        for s in SPANS
    ]
    np.testing.assert_allclose(explained("gpt2").attributions, expected, rtol=0, atol=1e-12)


def test_shapley_values_are_those_of_the_definition():
    model = writer("gpt2")
    value = {
        kept: sum(answered(model, without([s for i, s in enumerate(SPANS) if i not in kept])))
        for n in range(5)
        for kept in itertools.combinations(range(4), n)
    }
    expected = np.zeros(4)
    for order in itertools.permutations(range(4)):
        for k, i in enumerate(order):
            before, after = (tuple(sorted(order[:j])) for j in (k, k + 1))
            expected[i] += (value[after] - value[before]) / math.factorial(4)
    found = explained("gpt2", method="shapley")
    np.testing.assert_allclose(found.attributions, expected, rtol=0, atol=1e-12)
    moved = found.quantity - found.baseline_quantity
    np.testing.assert_allclose(found.attributions.sum(), moved, rtol=0, atol=1e-12)
    by_regression = explained("gpt2", method="kernel_shap")
    np.testing.assert_allclose(by_regression.attributions, expected, rtol=0, atol=1e-9)


def test_each_token_of_the_answer_by_itself():
    each, total = explained("gpt2", targets="each"), explained("gpt2")
    assert each.attributions.shape == (2, 4)
    np.testing.assert_allclose(each.total(), total.attributions, rtol=0, atol=1e-12)
    model = writer("gpt2")
    left = np.subtract(answered(model, IDS), answered(model, without(SPANS[2:3])))
    np.testing.assert_allclose(each.attributions[:, 2], left, rtol=0, atol=1e-12)


def test_the_last_segment_may_be_the_place_that_is_read():
    """A mask would leave the removed token there; the text without it is read instead."""
    model = writer("gpt2")
    found = explain_segments(
        model, None, torch.tensor(IDS), torch.tensor(OUT), segments=spans_of_text([(7, 9)])
    )
    expected = sum(answered(model, IDS)) - sum(answered(model, IDS[:7]))
    assert found.removed_by == "shorter texts, filled up at the end"
    assert abs(found.attributions[0] - expected) < 1e-12
    with pytest.raises(ValueError, match="last token"):
        explain_segments(
            *(model, None, torch.tensor(IDS), torch.tensor(OUT)),
            segments=spans_of_text([(7, 9)]),
            removal="mask",
        )


def test_other_removals_ask_other_questions():
    model = writer("gpt2")
    whole, ids = sum(answered(model, IDS)), torch.tensor([[*IDS, OUT[0]]])
    table = model.get_input_embeddings().weight.detach()

    def summed(**given):
        with torch.no_grad():
            scores = torch.log_softmax(model(**given).logits[0, -2:], -1)
        return sum(float(scores[i, t]) for i, t in enumerate(OUT))

    for i, (a, b) in enumerate(SPANS):
        hidden, other, vectors = torch.ones_like(ids), ids.clone(), table[ids]
        hidden[0, a:b], other[0, a:b], vectors[0, a:b] = 0, 3, table.mean(0)
        for removal, given in (
            ("mask", {"input_ids": ids, "attention_mask": hidden}),
            (3, {"input_ids": other}),
            ("mean", {"inputs_embeds": vectors}),
        ):
            found = explained("gpt2", removal=removal)
            assert abs(found.attributions[i] - (whole - summed(**given))) < 1e-10, removal


@pytest.mark.parametrize("method", ["leave_one_out", "shapley", "kernel_shap", "lime"])
def test_the_words_that_decide(method):
    model, words = trained()
    more = {"samples": 600} if method == "kernel_shap" else {}
    told = explain_segments(
        model, words, CLEAN.text, f" {CLEAN.answer}", segments=WORDS, method=method, **more
    )
    assert told.removed_by == "attention mask"
    assert told.share(CLEAN.decides) >= 0.8
    assert told[CLEAN.answer] == max(told.attributions)


def share(attributions):
    sizes = attributions[0].abs()
    return float(sizes[[i + 1 for i in CLEAN.decides]].sum() / sizes.sum())


def test_gradients_along_a_path_find_the_same_words():
    """The question is held, as its words are not asked about."""
    model, words = trained()
    wrapper = get_model_wrapper(model)
    table, cut = model.get_input_embeddings().weight.detach(), "transformer.wte"
    ids = torch.tensor([words(CLEAN.text).input_ids])
    held = torch.arange(ids.shape[1]) > len(WORDS)
    held[0] = True

    def without_words(vectors):
        return torch.where(held[:, None], table[ids[0]], vectors)

    qoi = TokenQoI(words.convert_tokens_to_ids(CLEAN.answer), quantity="log_prob")
    mean = without_words(table.mean(0))[None]
    path = IntegratedGradients(wrapper, mean, 50, cut, qoi, contract=-1)
    assert share(path.attributions(input_ids=ids)) >= 0.8
    # other texts of the same form, in which the question is the same
    others = [report(p, a, b, swapped).text for p in PLACES for a, b in PAIRS for swapped in SIDES]
    data = torch.stack([without_words(table[words(text).input_ids]) for text in others])
    expected = ExpectedGradients(wrapper, data, 400, doi_cut=cut, qoi=qoi, contract=-1)
    assert share(expected.attributions(input_ids=ids)) >= 0.8


def test_what_is_a_segment():
    text = "One day. Two\nnights, or 3.5? Yes"
    prompt = read_prompts(text, tokenizer()).texts[0]

    def names(segments):
        return stretches(prompt, segments).names

    assert names("sentences") == ("One day.", "Two", "nights, or 3.5?", "Yes")
    assert names("words") == tuple(text.split())
    assert names("lines") == ("One day. Two", "nights, or 3.5? Yes")
    assert names(["One day.", "or 3.5?"]) == ("One day.", "or 3.5?")
    assert names(re.compile(r"\n|\. ")) == ("One day", "Two", "nights, or 3.5? Yes")
    found = stretches(prompt, "words")
    assert found.of_token[0] == -1  # what marks the start is held
    assert sorted(set(found.of_token.tolist())) == list(range(-1, 7))
    blocks = read_prompts("a cat\nsat\n\nthe mat", tokenizer()).texts[0]
    assert stretches(blocks, "paragraphs").names == ("a cat\nsat", "the mat")


def test_turns_of_a_chat_and_documents():
    chat = [
        {"role": "user", "content": "the cat sat"},
        {"role": "assistant", "content": "on the mat"},
        {"role": "user", "content": "a bird"},
    ]
    found = explain_segments(talking(), tokenizer(), chat, " in", segments="turns")
    assert found.segments == ("the cat sat", "on the mat", "a bird")
    assert found.removed_by == "attention mask"
    assert found.top(1)[0].value == found[found.top(1)[0].text]
    assert "leave_one_out" in str(found)
    labels = [t.get_text() for t in found.plot().axes[0].get_yticklabels()]
    assert sorted(labels) == sorted(found.segments)


def test_the_next_token_of_documents():
    model, words = trained()
    context = CLEAN.text.partition(" so ")[0]
    documents = [f"{said.strip()} ." for said in context.split(".") if said.strip()]
    found = explain_segments(
        model, words, CLEAN.text, segments=documents, quantity=CONTRAST, method="shapley"
    )
    assert found.segments == tuple(documents)
    assert found[documents[0]] > 5 > 0 > found[documents[1]]
    assert abs(found.residual[0]) < 1e-10


def test_what_cannot_be_explained_is_told():
    model, words = trained()
    for options, said in (
        ({"answer": " nine", "segments": ["no such text"]}, "does not stand in the prompt"),
        ({"answer": " nine", "segments": "letters"}, "segments is 'letters'"),
        ({"answer": " nine", "segments": "turns"}, "no chat"),
        ({"answer": " nine", "segments": WORDS, "removal": "burn"}, "removal is 'burn'"),
        ({"answer": " nine", "segments": WORDS, "removal": "mask_token"}, "no such token"),
        ({"answer": " nine", "method": "guess"}, "method is 'guess'"),
        ({"answer": " nine", "targets": "words"}, "targets is 'words'"),
        ({"answer": " nine", "quantity": CONTRAST}, "give an answer with"),
        ({"quantity": "log_prob"}, "give an answer with"),
    ):
        with pytest.raises(ValueError, match=said):
            explain_segments(model, words, CLEAN.text, **options)
    with pytest.raises(ValueError, match="nothing would be left"):
        explain_segments(
            writer("gpt2"), None, torch.tensor(IDS), torch.tensor(OUT), segments="words"
        )


def test_a_segment_is_looked_for_among_whole_words_first():
    prompt = read_prompts("the cat has a hat, that at 3 is 35 at", tokenizer()).texts[0]

    def placed(*segments):
        return [prompt.text[a:b] for a, b in stretches(prompt, segments).spans], stretches(
            prompt, segments
        ).spans

    start = prompt.text.index("the")
    assert placed("at") == ([" at"], ((start + 23, start + 26),))
    assert placed("a", "at 3") == (
        [" a", " at 3"],
        ((start + 11, start + 13), (start + 23, start + 28)),
    )
    # where the words do not stand alone, in this order, anywhere will do
    assert placed("hat,", "hat")[0] == [" hat,", "hat"]


def encoded_answer(model, ids):
    """The log-probability of the answer that an encoder-decoder writes after reading a text."""
    given = torch.tensor([[model.config.decoder_start_token_id, *OUT[:-1]]])
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([ids]), decoder_input_ids=given).logits[0]
    return sum(float(torch.log_softmax(scores, -1)[i, t]) for i, t in enumerate(OUT))


@pytest.mark.parametrize("family", SEVERAL)
def test_an_encoder_reads_shorter_texts(family):
    model = writer(family)
    whole = encoded_answer(model, IDS)
    expected = [whole - encoded_answer(model, without([s])) for s in SPANS]
    found = explained(family)
    assert found.removed_by == "shorter texts, filled up at the end"
    np.testing.assert_allclose(found.attributions, expected, rtol=0, atol=1e-6)
    last = explain_segments(
        *(model, None, torch.tensor(IDS), torch.tensor(OUT)), segments=spans_of_text([(7, 9)])
    )  # nothing follows the last token, which may go, too
    np.testing.assert_allclose(
        last.attributions, whole - encoded_answer(model, IDS[:7]), rtol=0, atol=1e-6
    )
    hidden = [[int(i not in range(*s)) for i in range(len(IDS))] for s in SPANS]
    masked = explained(family, removal="mask")
    given = torch.tensor([[model.config.decoder_start_token_id, *OUT[:-1]]] * len(SPANS))
    with torch.no_grad():
        y = model(
            input_ids=torch.tensor([IDS] * len(SPANS)),
            attention_mask=torch.tensor(hidden),
            decoder_input_ids=given,
        ).logits
    scores = torch.log_softmax(y, -1)[:, range(len(OUT)), OUT].sum(1).numpy()
    np.testing.assert_allclose(masked.attributions, whole - scores, rtol=0, atol=1e-6)


def test_a_picture_stays_where_words_go():
    model = seeing()
    torch.manual_seed(1)
    ids = [5, *[IMAGE] * 4, 7, 12, 30, 9]
    picture = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    given = {"input_ids": torch.tensor([ids]), "pixel_values": picture}

    def of(ids):
        with torch.no_grad():
            whole = torch.tensor([[*ids, *OUT[:-1]]])
            y = model(input_ids=whole, pixel_values=picture).logits[0, -len(OUT) :]
        return sum(float(torch.log_softmax(y, -1)[i, t]) for i, t in enumerate(OUT))

    offsets = read_prompts(torch.tensor(ids)).texts[0].offsets
    spans = [(offsets[a][0], offsets[b - 1][1]) for a, b in ((0, 6), (6, 8))]
    found = explain_segments(model, None, given, torch.tensor(OUT), segments=spans)
    assert found.removed_by == "attention mask"
    expected = [of(ids) - of([*ids[1:5], *ids[6:]]), of(ids) - of([*ids[:6], 9])]
    np.testing.assert_allclose(found.attributions, expected, rtol=0, atol=1e-6)


def test_a_list_of_prompts_has_a_list_of_results():
    model, words = talking(), tokenizer()
    texts, answers = ["the cat. sat on", "the lazy dog. in the"], [" the mat", " bush"]
    several = explain_segments(model, words, texts, answers)
    each = [explain_segments(model, words, t, a) for t, a in zip(texts, answers, strict=True)]
    for found, alone in zip(several, each, strict=True):
        assert found.segments == alone.segments
        np.testing.assert_array_equal(found.attributions, alone.attributions)
    (own,) = explain_segments(model, words, texts[:1], answers[:1], segments=[["cat", "sat"]])
    assert own.segments == ("cat", "sat")
    with pytest.raises(ValueError, match="2 prompts and 1 answers"):
        explain_segments(model, words, texts, answers[:1])
    pictures = {"input_ids": [IDS, IDS], "pixel_values": np.zeros((3, 2))}
    with pytest.raises(ValueError, match="3 rows for 2 prompts"):
        explain_segments(model, None, pictures, [OUT, OUT])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_what_all_texts_begin_with_is_read_once(family):
    """The same numbers as texts that are read whole, from fewer tokens."""
    model, ids = writer(family), [3 + 7 * i % 50 for i in range(64)]
    wrapper, sizes = get_model_wrapper(model), []
    offsets = read_prompts(torch.tensor(ids)).texts[0].offsets
    spans = [(a, a + 6) for a in range(24, 60, 6)]
    parts = [(offsets[a][0], offsets[b - 1][1]) for a, b in spans]

    def asked():
        return explain_segments(wrapper, None, torch.tensor(ids), torch.tensor(OUT), segments=parts)

    hook = model.register_forward_pre_hook(
        lambda _, given, more: sizes.append(more["input_ids"].shape), with_kwargs=True
    )
    try:
        found = asked()
    finally:
        hook.remove()
    assert (7, 65 - 24) in sizes  # all, and all but each
    assert (7, 65) not in sizes
    whole = sum(answered(model, ids))
    left = [[t for i, t in enumerate(ids) if not a <= i < b] for a, b in spans]
    expected = [whole - sum(answered(model, each)) for each in left]
    np.testing.assert_allclose(
        found.attributions, expected, rtol=0, atol=1e-12 if family == "gpt2" else 1e-6
    )


@pytest.mark.parametrize(
    ("window", "how"), [(64, "shorter texts, filled up at the end"), (65, "attention mask")]
)
def test_a_window_of_the_text_s_own_length(window, how):
    """What fits is masked, though the model does not remember enough to go back in the text."""
    config = transformers.MistralConfig(sliding_window=window, **LLAMA)
    torch.manual_seed(0)
    model = scattered(transformers.MistralForCausalLM(config))
    ids = [3 + 7 * i % 50 for i in range(64)]
    offsets = read_prompts(torch.tensor(ids)).texts[0].offsets
    spans = [(24, 40), (40, 60)]
    parts = [(offsets[a][0], offsets[b - 1][1]) for a, b in spans]
    found = explain_segments(model, None, torch.tensor(ids), torch.tensor(OUT), segments=parts)
    assert found.removed_by == how
    left = [[t for i, t in enumerate(ids) if not a <= i < b] for a, b in spans]
    expected = [sum(answered(model, ids)) - sum(answered(model, each)) for each in left]
    np.testing.assert_allclose(found.attributions, expected, rtol=0, atol=1e-6)
