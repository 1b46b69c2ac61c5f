"""One block evaluated: points and records in, gradients out."""

from trulens_core.steps.block import Block as Block
