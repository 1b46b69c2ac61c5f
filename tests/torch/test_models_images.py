"""Models of pictures and sounds as people have them, beside plain autograd: see `asked.py`."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import runpy
from pathlib import Path

import torch
import transformers
from torch import nn

from trulens_core import ClassQoI, Cut, InputCut, OutputCut

ASKED = runpy.run_path(str(Path(__file__).with_name("asked.py")))  # tests are no package
Asked, each, randn, ids = (ASKED[n] for n in ("Asked", "each", "randn", "ids"))
LAYERS = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.2,
}
IMAGES = randn(3, 3, 16, 16)
IDS = ids(3, 5)


def of(kind, config, **options):
    """Makes a transformer of a small configuration."""
    return lambda: getattr(transformers, kind)(getattr(transformers, config)(**options))


def clip():
    """Both towers, and how alike each image is to its own text."""
    text = dict(vocab_size=20, max_position_embeddings=8, eos_token_id=2, **LAYERS)
    vision = dict(image_size=16, patch_size=8, **LAYERS)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    model = transformers.CLIPModel(config)

    def alike(pixel_values, input_ids):
        y = model(input_ids=input_ids, pixel_values=pixel_values)
        return (y.image_embeds * y.text_embeds).sum(-1)

    return alike, model


def clip_images():
    """A bound method as the model."""
    _, model = clip()
    return (lambda x: model.get_image_features(x).pooler_output), model


class Detector(nn.Module):
    """As DETR: a picture's places, a transformer, queries; a dict of scores and boxes."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 4, 4)
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.queries = nn.Parameter(torch.randn(5, 8))
        self.scores, self.boxes = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        places = self.backbone(x).flatten(2).mT
        h = self.transformer(places, self.queries.expand(len(x), -1, -1))
        return {"pred_scores": self.scores(h), "pred_boxes": self.boxes(h).sigmoid()}


class UNet(nn.Module):
    """Down, up, and across; with a time embedding it is a step of diffusion."""

    def __init__(self, timed=False):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.SiLU())
        self.middle = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.GroupNorm(2, 6), nn.SiLU())
        self.up = nn.ConvTranspose2d(12, 4, 2, 2)
        self.out = nn.Conv2d(7, 4, 1)
        self.time = nn.Sequential(nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 6)) if timed else None

    def forward(self, x, t=None):
        h = self.down(x)
        if t is not None:
            angles = t[:, None] * torch.arange(1, 4, dtype=x.dtype) / 10
            h = h + self.time(torch.cat([angles.sin(), angles.cos()], -1))[:, :, None, None]
        h = torch.cat([h, self.middle(h)], 1)
        return self.out(torch.cat([torch.relu(self.up(h)), x], 1))


class Windows(nn.Module):
    """As Swin: attention within windows that are rows of their own, then shifted ones."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, 2)
        self.first = nn.MultiheadAttention(8, 2, batch_first=True)
        self.second = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scores = nn.Linear(8, 3)

    def windowed(self, attention, h):  # (b, 8, 8, c), windows of 4 x 4
        w = h.unflatten(2, (2, 4)).unflatten(1, (2, 4)).transpose(2, 3).reshape(-1, 16, 8)
        w = w + attention(w, w, w, need_weights=False)[0]
        return w.reshape(-1, 2, 2, 4, 4, 8).transpose(2, 3).reshape(h.shape)

    def forward(self, x):
        h = self.windowed(self.first, self.patch(x).permute(0, 2, 3, 1))
        h = self.windowed(self.second, h.roll((-2, -2), (1, 2))).roll((2, 2), (1, 2))
        return self.scores(h.tanh().mean((1, 2)))


class Film(nn.Module):
    """A video: frames through a network of pictures, as rows, and an LSTM over them."""

    def __init__(self):
        super().__init__()
        self.frame = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
        self.over, self.scores = nn.LSTM(5, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.scores(
            self.over(self.frame(x.flatten(0, 1)).unflatten(0, x.shape[:2]))[0][:, -1]
        )


class Spectrum(nn.Module):
    """A waveform, its spectrogram (complex inside), convolutions, an attention pool."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.net = nn.Sequential(nn.Conv1d(9, 6, 3, padding=1), nn.GELU())
        self.gate, self.scores = nn.Conv1d(6, 1, 1), nn.Linear(6, 3)

    def forward(self, x):
        s = torch.stft(x, 16, 8, window=self.window, return_complex=True).abs().square()
        h = self.net((s + 1e-3).log())
        return self.scores((h * self.gate(h).softmax(-1)).sum(-1))


class Radiance(nn.Module):
    """As NeRF: points along a ray, encoded, composed to a colour."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(18, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, origins, directions):
        t = torch.linspace(0, 1, 7, dtype=origins.dtype)[:, None]
        p = origins[:, None] + t * directions[:, None]
        code = torch.cat([f(2**k * p) for k in range(3) for f in (torch.sin, torch.cos)], -1)
        colour, density = self.net(code).split([3, 1], -1)
        alpha = 1 - torch.exp(-nn.functional.softplus(density) / 7)
        clear = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1]], 1), 1)
        return (clear * alpha * colour.sigmoid()).sum(1)


class Style(nn.Module):
    """Perceptual features: a loss between two pictures, that of one's layers and the other's."""

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleList([nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 6, 3, 2)])

    def forward(self, x, like):
        loss = 0
        for layer in self.features:
            x, like = torch.tanh(layer(x)), torch.tanh(layer(like))
            a, b = (h.flatten(2) @ h.flatten(2).mT for h in (x, like))
            loss = loss + (a - b).square().sum((1, 2))
        return loss


SOUND = dict(
    conv_dim=(8, 8),
    conv_kernel=(4, 3),
    conv_stride=(2, 2),
    num_feat_extract_layers=2,
    vocab_size=12,
    num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
    mask_time_prob=0.0,
    **LAYERS,
)
WHISPER = {
    "vocab_size": 20,
    "num_mel_bins": 8,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "init_std": 0.2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_source_positions": 10,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
SWIN = {
    "image_size": 16,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": [2],
    "num_heads": [2],
    "window_size": 4,
    "num_labels": 3,
}
VIT = dict(image_size=16, patch_size=8, num_labels=3, **LAYERS)
YOLOS = dict(image_size=[16, 16], patch_size=8, num_detection_tokens=5, num_labels=3, **LAYERS)
SEGFORMER = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "sr_ratios": [2, 1],
    "hidden_sizes": [8, 16],
    "num_labels": 3,
    "num_attention_heads": [1, 2],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "mlp_ratios": [2, 2],
    "decoder_hidden_size": 16,
}


def logit(y):
    return y.logits[0, 1]


TABLE = {
    "CLIP, images": Asked(
        clip,
        (IMAGES, IDS),
        qoi=lambda y: y,
        score=lambda y: y[0],
        cut=InputCut(names=["pixel_values"]),
        one=lambda args, kwargs: args[:1],
        quick=True,
    ),
    "CLIP, texts": Asked(
        clip,
        (IMAGES, IDS),
        qoi=lambda y: y,
        score=lambda y: y[0],
        cut=Cut("text_model.embeddings"),
        layer="text_model.embeddings",
    ),
    "CLIP, one tower's method": Asked(clip_images, (IMAGES,), 3, lambda y: y[0, 3]),
    "ViT, pixels": Asked(of("ViTForImageClassification", "ViTConfig", **VIT), (IMAGES,), 1, logit),
    "ViT, a layer": Asked(
        of("ViTForImageClassification", "ViTConfig", **VIT),
        (IMAGES,),
        1,
        logit,
        cut=Cut("vit.layers.0"),
        layer="vit.layers.0",
    ),
    "Swin": Asked(of("SwinForImageClassification", "SwinConfig", **SWIN), (IMAGES,), 1, logit),
    "windows as rows": Asked(
        Windows, (IMAGES,), cut=Cut("second", rows_per_record="auto"), layer="second", quick=True
    ),
    "YOLOS, scores": Asked(
        of("YolosForObjectDetection", "YolosConfig", **YOLOS),
        (IMAGES,),
        qoi=lambda y: y[:, 2, 1],
        score=lambda y: y.logits[0, 2, 1],
    ),
    "YOLOS, a box": Asked(
        of("YolosForObjectDetection", "YolosConfig", **YOLOS),
        (IMAGES,),
        to=OutputCut("pred_boxes"),
        qoi=lambda y: y[:, 2, 0],
        score=lambda y: y.pred_boxes[0, 2, 0],
    ),
    "detector, scores": Asked(
        Detector,
        (IMAGES,),
        to=OutputCut("pred_scores"),
        qoi=lambda y: y[:, 2, 1],
        score=lambda y: y["pred_scores"][0, 2, 1],
        quick=True,
    ),
    "detector, a box, at the backbone": Asked(
        Detector,
        (IMAGES,),
        to=OutputCut("pred_boxes"),
        qoi=lambda y: y[:, 4].sum(-1),
        score=lambda y: y["pred_boxes"][0, 4].sum(),
        cut=Cut("backbone"),
        layer="backbone",
    ),
    "SegFormer, a class over the map": Asked(
        of("SegformerForSemanticSegmentation", "SegformerConfig", **SEGFORMER),
        (IMAGES,),
        qoi=ClassQoI(2),
        score=lambda y: y.logits[0, 2].sum(),
    ),
    "U-Net, a class over the map": Asked(
        UNet, (IMAGES,), ClassQoI(2), lambda y: y[0, 2].sum(), quick=True
    ),
    "U-Net, one pixel, at the bottom": Asked(
        UNet,
        (IMAGES,),
        lambda y: y[:, 2, 5, 6],
        lambda y: y[0, 2, 5, 6],
        cut=Cut("middle"),
        layer="middle",
    ),
    "diffusion step, picture and time": Asked(
        lambda: UNet(timed=True),
        (IMAGES, randn(3, seed=1)),
        lambda y: y[:, 1].square().sum((1, 2)),
        lambda y: y[0, 1].square().sum(),
        quick=True,
    ),
    "diffusion step, time in whole numbers": Asked(
        lambda: UNet(timed=True),
        (IMAGES, torch.tensor([3, 50, 999])),
        lambda y: y[:, 1].square().sum((1, 2)),
        lambda y: y[0, 1].square().sum(),
        cut=InputCut(names=["x"]),
    ),
    "Whisper": Asked(
        of("WhisperForConditionalGeneration", "WhisperConfig", **WHISPER),
        kwargs={"input_features": randn(3, 8, 20), "decoder_input_ids": IDS},
        qoi=lambda y: y[:, 1, 7],
        score=lambda y: y.logits[0, 1, 7],
    ),
    "wav2vec 2, letters": Asked(
        of("Wav2Vec2ForCTC", "Wav2Vec2Config", **SOUND),
        (randn(3, 60),),
        qoi=lambda y: y[:, 2, 5],
        score=lambda y: y.logits[0, 2, 5],
    ),
    "HuBERT, a layer": Asked(
        of("HubertForSequenceClassification", "HubertConfig", num_labels=3, **SOUND),
        (randn(3, 60),),
        1,
        logit,
        cut=Cut("hubert.feature_projection"),
        layer="hubert.feature_projection",
    ),
    "waveform, spectrogram": Asked(Spectrum, (randn(3, 100),), quick=True),
    "video, pixels": Asked(Film, (randn(3, 5, 3, 16, 16),)),
    "video, frames as rows": Asked(
        Film,
        (randn(3, 5, 3, 16, 16),),
        cut=Cut("frame", rows_per_record="auto"),
        layer="frame",
    ),
    "radiance field": Asked(Radiance, (randn(3, 3), randn(3, 3, seed=1))),
    "style, a layer called twice for each": Asked(
        Style,
        (IMAGES, randn(3, 3, 16, 16, seed=1)),
        qoi=lambda y: y,
        score=lambda y: y[0],
    ),
}


@each(TABLE)
def test_models_of_pictures_and_sounds(asked):
    ASKED["agrees"](asked)
