"""Word pieces of every kind of tokenizer, one by one and as words."""

import pytest

from trulens_core.visualizations.text_pieces import grouped, marks_of, pieces


def shown(tokens, words=False, hidden=()):
    marks = marks_of(tokens)
    places = [i for i in range(len(tokens)) if i not in hidden]
    groups = grouped(pieces(tokens, marks), places, marks, words)
    assert [i for g in groups for i in g.places] == places
    return [(" " if g.spaced else "") + g.text for g in groups]


WORDPIECE = ["[CLS]", "un", "##believ", "##able", "acting", "!", "[SEP]", "[PAD]", "[PAD]"]
SENTENCEPIECE = ["▁Un", "believ", "able", "▁acting", "!", "</s>", "<pad>"]
BYTES = ["<s>", "Un", "believ", "able", "Ġacting", "!", "Ċ", "Next", "</s>"]
SPACES = ["Un", "believ", "able", " acting", "!", "\n", "Next", "<|endoftext|>"]


def test_wordpieces_stand_together():
    text = "[CLS] unbelievable acting ! [SEP] [PAD] [PAD]"
    assert "".join(shown(WORDPIECE)) == "".join(shown(WORDPIECE, words=True)) == text
    assert shown(WORDPIECE)[1:4] == [" un", "believ", "able"]
    assert shown(WORDPIECE, words=True)[1] == " unbelievable"


def test_sentencepieces_stand_together():
    assert "".join(shown(SENTENCEPIECE)) == "Unbelievable acting! </s> <pad>"
    assert shown(SENTENCEPIECE, words=True) == ["Unbelievable", " acting!", " </s>", " <pad>"]


def test_pieces_of_bytes_stand_together():
    text = "<s> Unbelievable acting!\nNext </s>"
    assert "".join(shown(BYTES)) == "".join(shown(BYTES, words=True)) == text
    words = ["<s>", " Unbelievable", " acting!", "\n", "Next", " </s>"]
    assert shown(BYTES, words=True) == words


def test_pieces_with_spaces_stand_together():
    words = ["Unbelievable", " acting!", "\n", "Next", " <|endoftext|>"]
    assert shown(SPACES, words=True) == words
    assert "".join(shown(SPACES)) == "".join(words)


def test_bytes_of_one_character_are_one_character_in_a_word():
    tokens = ["Ġna", "Ã", "¯ve", "ĠðŁĳį"]
    assert shown(tokens) == ["na", r"\xc3", r"\xafve", " 👍"]
    assert shown(tokens, words=True) == ["naïve", " 👍"]


def test_tokens_without_marks_are_words():
    assert shown(["good", "film"]) == shown(["good", "film"], words=True) == ["good", " film"]


def test_headings_are_no_wordpieces():
    assert marks_of(["##", "###", "####x"]) == "none"
    assert marks_of(["##", " Title"]) == "spaces"


@pytest.mark.parametrize("words", [False, True])
def test_what_stood_apart_still_does_when_what_was_between_is_hidden(words):
    tokens = ["a", "<|endoftext|>", "Hello", " you"]
    assert shown(tokens, words, hidden=[1]) == ["a", " Hello", " you"]


def test_a_word_with_a_hidden_piece_falls_apart():
    assert shown(WORDPIECE, words=True, hidden=[0, 2, 6, 7, 8]) == ["un", " able", " acting", " !"]


def test_nothing_is_no_error():
    assert marks_of([]) == "none"
    assert shown([]) == []
    assert shown([""]) == [""]
