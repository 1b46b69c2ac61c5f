"""Small language models of transformers with weights drawn at random, and tokenizers made here."""

import functools

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

IDS, OUT = [5, 9, 12, 7, 30], [8, 11, 40]
VOCABULARY = 60
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
WIDE = {"vocab_size": VOCABULARY, **ENDS}
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    **WIDE,
}
T5 = {"d_model": 32, "d_ff": 32, "num_layers": 2, "num_heads": 2, "d_kv": 16}
BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32}
BART |= {"decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
VISION |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 16, "projection_dim": 32}
IMAGE = 59

FAMILIES = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_layer": 2, "n_embd": 32, "n_head": 2, **WIDE}),
    "llama": ("LlamaForCausalLM", "LlamaConfig", LLAMA),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", LLAMA),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", {"head_dim": 8, **LLAMA}),
    "mistral": ("MistralForCausalLM", "MistralConfig", {"sliding_window": 4, **LLAMA}),
    "mamba": (
        "MambaForCausalLM",
        "MambaConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, **WIDE},
    ),
    "t5": ("T5ForConditionalGeneration", "T5Config", {"decoder_start_token_id": 0, **T5, **WIDE}),
    "bart": (
        "BartForConditionalGeneration",
        "BartConfig",
        {"decoder_start_token_id": 2, **BART, **WIDE},
    ),
}
SEVERAL = "t5", "bart"


@functools.cache
def writer(family):
    """A model in float64; what a family computes in float32 all the same, it does."""
    kind, config, options = FAMILIES[family]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**options))
    return scattered(model)


@functools.cache
def seeing():
    """A vision-language model: four places of a picture stand among the tokens."""
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION),
        text_config=transformers.LlamaConfig(**LLAMA),
        image_token_index=IMAGE,
        image_token_id=IMAGE,
    )
    return scattered(transformers.LlavaForConditionalGeneration(config))


def scattered(model):
    """Larger weights than models begin with, so that tokens matter."""
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    return model


TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "the cat sat on the mat and a bird in the hand is worth two in the bush",
]


@functools.cache
def tokenizer():
    """Byte pairs of a few sentences, a start of text, and a template for chats."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<|user|>", "<|bot|>"]
    letters = pre_tokenizers.ByteLevel.alphabet()
    how = trainers.BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=letters)
    found.train_from_iterator(TEXTS, how)
    found.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=found, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    made.add_special_tokens({"additional_special_tokens": special[3:]})
    made.chat_template = (
        "{{ bos_token }}{% for m in messages %}<|{{ 'user' if m['role'] == 'user' else 'bot' }}|>"
        "{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<|bot|>{% endif %}"
    )
    return made


@functools.cache
def talking():
    """A GPT-2 for that tokenizer."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_embd=32, n_head=2, vocab_size=len(tokenizer()), **ENDS
    )
    return scattered(transformers.GPT2LMHeadModel(config))
