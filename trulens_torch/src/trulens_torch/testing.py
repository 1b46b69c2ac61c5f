"""A language model for tests and pages: trained here, in seconds, on texts that can be judged.

It needs `transformers` and `tokenizers`, which trulens-nn-torch itself does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from trulens_core.testing.reports import PAD, START, VOCABULARY, batch


def trained_language_model(seed: int = 2, steps: int = 250) -> tuple[Any, Any]:
    """A GPT-2 of two layers and its tokenizer, which has learned `trulens_core.testing.reports`.

    Its architecture is that of `transformers`, its size a thousandth: 32 wide, four heads. Nothing
    is downloaded; training takes seconds on one core. PyTorch's generator is left as it was.

    Args:
        seed: of the weights and of the texts.
        steps: of training, with 64 texts each; 250 are enough.

    Returns:
        The model, in evaluation mode, and the tokenizer.

    Example:
        >>> model, tokenizer = trained_language_model(steps=1)
        >>> tokenizer("rumour : the shop").input_ids
        [1, 3, 13, 14, 10]
    """
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.GPT2Config(
            vocab_size=len(VOCABULARY),
            n_positions=64,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_inner=64,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=0.18,
            bos_token_id=1,
            eos_token_id=0,
        )
        model: Any = transformers.GPT2LMHeadModel(config)
        _train(model, np.random.default_rng(seed), steps)
    return model.eval(), word_tokenizer()


def word_tokenizer() -> Any:
    """A tokenizer of `transformers` whose tokens are the words of the reports.

    Returns:
        A `PreTrainedTokenizerFast`; it puts `<s>` before each text.

    Example:
        >>> tokenizer = word_tokenizer()
        >>> tokenizer.convert_ids_to_tokens(tokenizer("so the shop").input_ids)
        ['<s>', 'so', 'the', 'shop']
    """
    import tokenizers
    import transformers

    words = {word: i for i, word in enumerate(VOCABULARY)}
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token=PAD))
    own.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    own.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, words[START])]
    )
    made: Any = transformers.PreTrainedTokenizerFast
    return made(tokenizer_object=own, bos_token=START, pad_token=PAD, model_max_length=64)


def _train(model: Any, rng: np.random.Generator, steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.98))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 6e-3 * min((step + 1) / 30, 1.05 - step / steps)
        given = batch(64, rng)
        ids, weights = torch.from_numpy(given.ids), torch.from_numpy(given.weights)
        scores = model(ids[:, :-1]).logits.log_softmax(-1)
        each = scores.gather(-1, ids[:, 1:, None])[..., 0]
        loss = -(each * weights[:, 1:].float()).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
