"""The architectures of transformers, with tensors so small that Python shows.

    python benchmarks/torch_architectures.py [CASE ...] [--turns N]

ResNet-50, BERT with a mask and Llama, beside loops written by hand with what a model offers
(`inputs_embeds=`, its layers called one by one) and Captum. One thread, weights as they are drawn.
"""

import functools
import sys
import warnings

import measure
import torch
import transformers

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what is deprecated
    from captum import attr

POINTS, CLASS, LENGTH, LIMIT = 50, 3, 16, 100
OPTIONS = {"target": CLASS, "n_steps": POINTS, "method": "riemann_middle"}


def built(model):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    return model.eval().requires_grad_(False)


def case(ways, limits):
    def check():
        expected = ways["by hand"]().detach().numpy()
        found = relative_error(ways["ours"]().detach().numpy(), expected)
        assert found < 1e-3, found  # where gradients nearly cancel

    return measure.Case(ways, limits, check=check, memory=False)


def gradient(function, z):
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


def path(function, z, points, rows):
    """Integrated gradients from zeros, as many rows in a pass."""
    total = torch.zeros_like(z)
    for nodes in ((torch.arange(points) + 0.5) / points).split(max(1, rows // len(z))):
        block = (nodes.reshape(-1, *[1] * z.ndim) * z).flatten(0, 1)
        total += gradient(function, block).reshape(len(nodes), *z.shape).sum(0)
    return z * total / points


def line(cut, points=POINTS):
    return LinearDoi(resolution=points, cut=Cut(cut), rule="midpoint")


# -- a residual network ----------------------------------------------------------------------


def images(records):
    config = transformers.ResNetConfig(num_labels=10)
    model = built(transformers.ResNetForImageClassification(config))
    x = torch.randn(records, 3, 32, 32)
    return model, lambda z: model(z).logits, x


def saliency(records):
    model, logits, x = images(records)
    captum = attr.InputXGradient(logits)
    return case(
        {
            "ours": functools.partial(InputAttribution(model, qoi=CLASS).attributions, x),
            "by hand": lambda: x * gradient(lambda z: logits(z)[:, CLASS], x),
            "captum": lambda: captum.attribute(x.clone().requires_grad_(), target=CLASS),
        },
        {"by hand": 1.10, "captum": 1.08},
    )


def integrated(records):
    model, logits, x = images(records)
    ours = IntegratedGradients(model, resolution=POINTS, qoi=CLASS, rebatch_size=POINTS)
    captum = attr.IntegratedGradients(logits)
    return case(
        {
            "ours": functools.partial(ours.attributions, x),
            "by hand": lambda: path(lambda z: logits(z)[:, CLASS], x, POINTS, POINTS),
            "captum": lambda: captum.attribute(x, internal_batch_size=POINTS, **OPTIONS),
        },
        {"by hand": 1.05, "captum": 1.0},
    )


def of_stage(records):
    model, logits, x = images(records)
    name, stages = "resnet.encoder.stages.3.layers.0", model.resnet.encoder.stages
    ours = InternalInfluence(model, (name, None), CLASS, line(name), rebatch_size=POINTS)
    captum = attr.LayerIntegratedGradients(logits, model.get_submodule(name))

    def by_hand():
        with torch.no_grad():
            z = model.resnet.embedder(x)
            for stage in stages[:3]:
                z = stage(z)
            z = stages[3].layers[0](z)
        return path(rest, z, POINTS, POINTS)

    def rest(z):
        for part in stages[3].layers[1:]:
            z = part(z)
        return model.classifier(model.resnet.pooler(z))[:, CLASS]

    return case(
        {
            "ours": functools.partial(ours.attributions, x),
            "by hand": by_hand,
            "captum": lambda: captum.attribute(x, internal_batch_size=POINTS, **OPTIONS),
        },
        {"by hand": 1.20, "captum": 0.5},
    )


# -- an encoder of text ----------------------------------------------------------------------


def text(records):
    config = transformers.BertConfig(
        num_labels=5, hidden_size=32, intermediate_size=64, num_attention_heads=4
    )
    model = built(transformers.BertForSequenceClassification(config))
    ids = torch.randint(5, 30000, (records, LENGTH))
    mask = torch.ones_like(ids)
    mask[-1, LENGTH // 2 :] = 0
    return model, ids, mask


def of_text(records, name, by_hand, limits):
    model, ids, mask = text(records)
    ours = InternalInfluence(model, (name, None), CLASS, line(name), rebatch_size=LIMIT)
    captum = attr.LayerIntegratedGradients(
        lambda i, k: model(input_ids=i, attention_mask=k).logits, model.get_submodule(name)
    )
    return case(
        {
            "ours": functools.partial(ours.attributions, input_ids=ids, attention_mask=mask),
            "by hand": functools.partial(by_hand, model, ids, mask),
            "captum": lambda: captum.attribute(
                ids, additional_forward_args=(mask,), internal_batch_size=LIMIT, **OPTIONS
            ),
        },
        limits,
    )


def embeddings(records):
    def by_hand(model, ids, mask):
        def after(z):
            again = mask.repeat(len(z) // len(ids), 1)
            return model(inputs_embeds=z, attention_mask=again).logits[:, CLASS]

        return path(after, model.bert.embeddings.word_embeddings(ids), POINTS, LIMIT)

    name = "bert.embeddings.word_embeddings"
    return of_text(records, name, by_hand, {"by hand": 1.10, "captum": 0.95})


def encoder_layer(records):
    def by_hand(model, ids, mask):
        held, layers = {}, model.bert.encoder.layer
        hook = layers[5].register_forward_hook(lambda *a: held.update(z=tensor(a[-1])))
        with torch.no_grad():
            model(input_ids=ids, attention_mask=mask)
        hook.remove()

        def after(z):
            again = mask.repeat(len(z) // len(ids), 1)[:, None, None]
            bias = (1 - again.to(z.dtype)) * torch.finfo(z.dtype).min
            for part in layers[6:]:
                z = tensor(part(z, bias))
            return model.classifier(model.bert.pooler(z))[:, CLASS]

        return path(after, held["z"], POINTS, LIMIT)

    return of_text(records, "bert.encoder.layer.5", by_hand, {"by hand": 1.25, "captum": 0.9})


def tensor(output):
    return output[0] if isinstance(output, tuple) else output


# -- a decoder -------------------------------------------------------------------------------


def decoder(points):
    config = transformers.LlamaConfig(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    model = built(transformers.LlamaForCausalLM(config))
    ids, name, rows = torch.randint(5, 200, (1, 24)), "model.embed_tokens", 8
    doi = "point" if points == 1 else line(name, points)
    wrapper = get_model_wrapper(model)
    ours = InternalInfluence(wrapper, (name, None), lambda y: y[:, -1, 7], doi, rebatch_size=rows)

    def after(z):
        return model(inputs_embeds=z, use_cache=False).logits[:, -1, 7]

    def by_hand():
        z = model.model.embed_tokens(ids)
        return z * gradient(after, z) if points == 1 else path(after, z, points, rows)

    return case(
        {
            "ours": functools.partial(ours.attributions, input_ids=ids, use_cache=False),
            "by hand": by_hand,
        },
        {"by hand": 1.10},
    )


CASES = {}
for n in (1, 8):
    many = f"{n} record{'s' if n > 1 else ''}"
    CASES |= {
        f"ResNet-50, saliency, {many}": functools.partial(saliency, n),
        f"ResNet-50, IG, {many}": functools.partial(integrated, n),
        f"ResNet-50, layer IG, last stage, {many}": functools.partial(of_stage, n),
    }
for n in (1, 4):
    many = f"{n} record{'s' if n > 1 else ''}"
    CASES |= {
        f"BERT, IG at its embeddings, {many}": functools.partial(embeddings, n),
        f"BERT, layer IG, 6 of 12, {many}": functools.partial(encoder_layer, n),
    }
for n in (1, 16):
    many = f"{n} point{'s' if n > 1 else ''}"
    CASES[f"Llama at its embeddings, {many}"] = functools.partial(decoder, n)

if __name__ == "__main__":
    sys.exit(measure.main(CASES))
