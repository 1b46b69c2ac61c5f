"""Every generated token explained: here, and by Captum's classes for language models.

4 layers of 128, a prompt of 64 tokens, a continuation of 32, weights at random, float32, on the
CPU. Captum runs the model once per token, and here without its cache, with which it gives other
numbers. Run `python benchmarks/language_models.py`, with `memory` for peaks at S = 512, T = 128.
"""

from __future__ import annotations

import gc
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import captum.attr as other
import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from trulens_core import explain_generation, get_model_wrapper

VOCABULARY, PROMPT, WRITTEN = 1000, 64, 32
ENDS: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}


def gpt2(positions: int = 1024, layers: int = 4, width: int = 128) -> Any:
    """Weights at random."""
    config = transformers.GPT2Config(
        n_layer=layers,
        n_embd=width,
        n_head=4,
        vocab_size=VOCABULARY,
        n_positions=positions,
        **ENDS,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def llama() -> Any:
    """The same size."""
    config = transformers.LlamaConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        vocab_size=VOCABULARY,
        **ENDS,
    )
    return transformers.LlamaForCausalLM(config).eval()


def tokenizer() -> Any:
    """A word for each id."""
    words = {f"w{i}": i for i in range(VOCABULARY)}
    found = Tokenizer(models.WordLevel(words, unk_token="w0"))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=found, unk_token="w0")


def seconds(run: Callable[[], Any], times: int = 5) -> float:
    """The median, after one that is not counted."""
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def by_captum(model: Any, layer: Any, prompt: str, written: str, **options: Any) -> Any:
    """Captum's attributions, (tokens, prompt): with options, integrated gradients."""
    reads = tokenizer()
    kind = other.LayerIntegratedGradients if options else other.LayerGradientXActivation
    explainer = other.LLMGradientAttribution(kind(model, layer), reads)
    given = other.TextTokenInput(prompt, reads)
    return explainer.attribute(given, target=written, **options).token_attr.numpy()


def beside_inseq(name: str, model: Any, times: int) -> None:
    """One line for each method, of the scores of what was written."""
    import inseq  # no part of what this project installs

    ids = np.random.default_rng(0).integers(4, VOCABULARY, PROMPT + WRITTEN)
    prompt, whole = (" ".join(f"w{i}" for i in ids[:n]) for n in (PROMPT, PROMPT + WRITTEN))
    reads = tokenizer()
    reads.pad_token, reads.eos_token, reads.bos_token = "w3", "w2", "w1"
    wrapper = get_model_wrapper(model)
    path = {"method": "ig", "resolution": 20, "rule": "gauss-legendre", "baseline": 0}
    steps = {"n_steps": 20, "internal_batch_size": 20}
    for method, asked, options in (
        ("input_x_gradient", {}, {}),
        ("integrated_gradients", path, steps),
    ):
        explainer = inseq.load_model(model, method, tokenizer=reads)

        def theirs(explainer: Any = explainer, options: Any = options) -> Any:
            shown = {"show_progress": False, "pretty_progress": False}
            found = explainer.attribute(prompt, whole, attributed_fn="logit", **shown, **options)
            return found.sequence_attributions[0].target_attributions

        def ours(asked: Any = asked) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parts = ids[:PROMPT], ids[PROMPT:]
                return explain_generation(wrapper, None, *parts, quantity="logit", **asked)

        other_numbers = theirs().sum(-1).numpy()[:PROMPT].T
        gap = np.abs(ours().attributions[:, :PROMPT] - other_numbers).max()
        gap /= np.abs(other_numbers).max()
        a, b = seconds(ours, times), seconds(theirs, times)
        print(
            f"{name} {method}: {1e3 * a:.0f} ms, inseq {1e3 * b:.0f} ms, {b / a:.2f} x; {gap:.1e}"
        )


def compared(name: str, model: Any, times: int) -> None:
    """One line for each method."""
    rng = np.random.default_rng(0)
    ids = rng.integers(4, VOCABULARY, PROMPT + WRITTEN)
    prompt, written = (" ".join(f"w{i}" for i in part) for part in (ids[:PROMPT], ids[PROMPT:]))
    layer = model.get_input_embeddings()
    wrapper = get_model_wrapper(model)

    def ours(**options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return explain_generation(wrapper, None, ids[:PROMPT], ids[PROMPT:], **options)

    path = {"method": "ig", "resolution": 20, "baseline": 0, "attribute": "prompt"}
    path["rule"] = "gauss-legendre"
    steps = {"n_steps": 20, "method": "gausslegendre", "internal_batch_size": 20}
    cases = {
        "input x gradient": (ours, lambda: by_captum(model, layer, prompt, written)),
        "IG(20)": (
            lambda: ours(**path),
            lambda: by_captum(model, layer, prompt, written, **steps),
        ),
    }
    for case, (mine, theirs) in cases.items():
        gap = np.abs(mine().attributions[:, :PROMPT] - theirs()).max() / np.abs(theirs()).max()
        a, b = seconds(mine, times), seconds(theirs, times)
        print(f"{name} {case}: {1e3 * a:.0f} ms, Captum {1e3 * b:.0f} ms, {b / a:.2f} x; {gap:.1e}")
    one = seconds(lambda: ours(**path, targets="sum"), times)
    print(f"{name} IG(20) of the sum: {1e3 * one:.0f} ms, Captum {1e3 * b:.0f} ms, {b / one:.1f} x")


# -- memory ------------------------------------------------------------------------------------

SIZES = 512, 128


def peak(what: str) -> None:
    """The peak of this process above what the model takes, in MiB, printed."""
    prompt, written = SIZES
    torch.manual_seed(0)
    model = gpt2(layers=6, width=256)
    ids = np.random.default_rng(0).integers(4, VOCABULARY, prompt + written)
    wrapper = get_model_wrapper(model)
    warm = ids[:8], ids[8:10]
    explain_generation(wrapper, None, *warm)
    layer = model.get_input_embeddings()
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if what == "plain":
        z = layer(torch.tensor(ids[None])).detach().requires_grad_()
        scores = model(inputs_embeds=z, logits_to_keep=written + 1, use_cache=False).logits
        torch.log_softmax(scores, -1)[0, -2, 5].backward()
    elif what == "captum":
        texts = (" ".join(f"w{i}" for i in part) for part in (ids[:prompt], ids[prompt:]))
        by_captum(model, layer, *texts)
    else:
        explain_generation(wrapper, None, ids[:prompt], ids[prompt:])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((after - before) / 1024)


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2])
        return
    if sys.argv[1:2] == ["memory"]:
        for what in ("plain", "ours", "captum"):
            command = [sys.executable, __file__, "peak", what]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(what, f"{float(done.stdout.split()[-1]):.0f} MiB")
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    beside = beside_inseq if sys.argv[1:2] == ["inseq"] else compared
    for name, make in (("GPT-2", gpt2), ("Llama", llama)):
        beside(name, make(), 3)


if __name__ == "__main__":
    main()
