# SPDX-License-Identifier: Apache-2.0
"""The recipe of a compression: every hyper-parameter of the pipeline, checked before it starts."""
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .methods.train import Affine, Schedule
from .recipe_rules import AUTO, integers_rule, keep_rule, slots_rule

__all__ = ["AUTO", "Section", "Training", "Augmentation", "Data", "Prune", "Share", "Distill",
           "Quantise", "Recipe"]

_MOST_SLOTS = 256                       # codes of eight bits


class Section(BaseModel):
    """A table of a recipe: unknown keys are refused, and values of another type (an integer may
    stand for a real number); nothing changes afterwards."""
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Training(Section):
    """One stretch of training: AdamW with a half-cosine learning rate.

    Attributes
    ----------
    epochs : passes over the training images.
    rate, final_rate : learning rate at the start and at the end.
    batch : images in a step; what is left over in an epoch is skipped.
    decay : weight decay, decoupled from the gradient.
    """
    epochs: int = Field(ge=1)
    rate: float = Field(default=1e-3, gt=0)
    final_rate: float = Field(default=1e-5, ge=0)
    batch: int = Field(default=128, ge=1)
    decay: float = Field(default=0.0, ge=0)

    @property
    def schedule(self) -> Schedule:
        """The same, as the training loop takes it."""
        return Schedule(**self.model_dump())


class Augmentation(Section):
    """Random changes of every training image; see :class:`~.train.Affine`."""
    shift: float = Field(default=0.0, ge=0)
    rotate: float = Field(default=0.0, ge=0, le=180)
    scale: float = Field(default=0.0, ge=0, lt=1)
    shear: float = Field(default=0.0, ge=0)
    flip: bool = False

    @property
    def affine(self) -> Affine:
        """The same, as the training loop takes it."""
        return Affine(**self.model_dump())


class Data(Section):
    """How images reach the network.

    Attributes
    ----------
    hold_out : the last training images, kept from training: every decision is made on them.
        None is a tenth, at most 5,000.
    scale, offset : instead of the data's own: the network sees (x - offset) * scale. ``offset``
        is one integer, or one for each channel.
    shape : of an image as the network takes it, without the batch, where it is not the data's.
    augment : random changes of training images.
    """
    hold_out: int | None = Field(default=None, ge=0)
    scale: float | None = Field(default=None, gt=0)
    offset: Annotated[int | list[int] | None, integers_rule(
        "must be an integer, or a list of one for each channel", alone=True)] = None
    shape: Annotated[list[Annotated[int, Field(ge=1)]] | None, integers_rule(
        "must be a list of integers", alone=False)] = None
    augment: Augmentation | None = None


class Prune(Section):
    """Which weights stay.

    Attributes
    ----------
    keep : the share of the whole network's weights, by one threshold; of each named layer, the
        others staying whole; or ``"auto"``, from what each layer's pruning costs on the held-out
        images.
    schedule : of the shares from round to round: ``geometric``, or ``gradual`` (cubic).
    rounds : pruning steps.
    balance : PEs that shall keep equally many weights of each layer; None: as the magnitudes are.
    between : training after each round.
    """
    keep: Annotated[float | dict[str, float] | Literal["auto"], BeforeValidator(keep_rule)]
    schedule: Literal["geometric", "gradual"] = "geometric"
    rounds: int = Field(default=1, ge=1)
    balance: int | None = Field(default=None, ge=1)
    between: Training | None = None

    @model_validator(mode="after")
    def _balanced(self) -> "Prune":
        if self.balance is not None and isinstance(self.keep, float):
            raise ValueError("balance spreads the weights of single layers; give keep by layer, or "
                             "\"auto\"")
        return self

    @model_validator(mode="after")
    def _scheduled(self) -> "Prune":
        if self.keep == AUTO and (self.rounds != 1 or self.schedule != "geometric"):
            raise ValueError("keep = \"auto\" chooses its rounds by itself; leave out rounds and "
                             "schedule")
        if self.schedule != "geometric" and self.rounds == 1:
            raise ValueError(f"a schedule, {self.schedule!r}, needs rounds of 2 or more")
        return self


class Share(Section):
    """How many values the weights of a layer may have.

    Attributes
    ----------
    slots : codebook size, slot 0 (zero) included, of all layers or by layer (others: 16).
    bits : the same as a power of two, or ``"auto"``: the fewest that the held-out images allow.
    init : where k-means starts: ``linear``, ``density`` or ``random`` (Deep Compression, 3.2).
    """
    slots: Annotated[int | dict[str, int] | Literal["auto"] | None,
                     slots_rule(2, _MOST_SLOTS)] = None
    bits: Annotated[int | dict[str, int] | Literal["auto"] | None, slots_rule(1, 8)] = None
    init: Literal["linear", "density", "random"] = "linear"

    @model_validator(mode="after")
    def _one(self) -> "Share":
        if self.slots is not None and self.bits is not None:
            raise ValueError("slots and bits say the same; give one of them")
        return self

    @property
    def auto(self) -> bool:
        """Whether the pipeline chooses."""
        return AUTO in (self.slots, self.bits)

    def by_layer(self, names: list[str]) -> dict[str, int]:
        """Slots of each layer, unless ``auto``."""
        given = self.slots
        if self.bits is not None:
            given = {name: 1 << bits for name, bits in self.bits.items()} \
                if isinstance(self.bits, dict) else 1 << self.bits
        if isinstance(given, dict):
            return {name: given.get(name, 16) for name in names}
        return dict.fromkeys(names, given or 16)


class Distill(Section):
    """The float network teaches the compressed one, wherever that is trained.

    Attributes
    ----------
    temperature : at which both networks' outputs are compared.
    soft : weight of that comparison; the labels' is 1 - soft.
    """
    temperature: float = Field(default=4.0, gt=0)
    soft: float = Field(default=0.7, ge=0, le=1)


class Quantise(Section):
    """The integer network.

    Attributes
    ----------
    act_width, acc_width : bits of activations and accumulators; every preset has 40 at least.
    calibration : the first training images; activations are scaled by what they reach on them.
    """
    act_width: Literal[8, 16] = 16
    acc_width: int = Field(default=40, ge=16, le=48)
    calibration: int = Field(default=2000, ge=1)


class Recipe(Section):
    """Every hyper-parameter of a compression; a section that is absent is a step left out.

    Attributes
    ----------
    name : of the network; None: as its class is called.
    encoding : of the layers with shared weights; others are stored as ``csr``.
    data, train, prune, retrain, share, centroids, distill, quantise : see the sections. ``train``
        makes the float network where there are no weights, ``retrain`` follows pruning, and
        ``centroids`` trains the shared values.
    """
    name: str | None = Field(default=None, min_length=1)
    encoding: Literal["csr", "codebook", "huffman"] = "huffman"
    data: Data = Data()
    train: Training | None = None
    prune: Prune | None = None
    retrain: Training | None = None
    share: Share | None = None
    centroids: Training | None = None
    distill: Distill | None = None
    quantise: Quantise = Quantise()

    @model_validator(mode="after")
    def _steps(self) -> "Recipe":
        if self.centroids is not None and self.share is None:
            raise ValueError("[centroids] trains the values of [share], which is missing")
        if self.retrain is not None and self.prune is None:
            raise ValueError("[retrain] trains what [prune] leaves, which is missing; [train] "
                             "makes a float network")
        if self.distill is not None and self.train is None and not self.trains_compressed:
            raise ValueError("[distill] says how is trained, and nothing is: add [retrain], "
                             "[centroids], prune.between or [train]")
        if self.encoding == "codebook" and self.share is None:
            raise ValueError("encoding \"codebook\" is of layers with shared weights: add [share]")
        if self.data.augment is not None and self.train is None and not self.trains_compressed:
            raise ValueError("data.augment is of images to train with, and nothing is trained: "
                             "add [train], [retrain], [centroids] or prune.between")
        return self

    @property
    def trains_compressed(self) -> bool:
        """Whether anything is trained after the float network."""
        between = self.prune is not None and self.prune.between is not None
        return between or self.retrain is not None or self.centroids is not None

    @property
    def decides(self) -> bool:
        """Whether something is left to the pipeline."""
        return (self.prune is not None and self.prune.keep == AUTO) or (
            self.share is not None and self.share.auto)

    def resolved(self, **sections: dict[str, Any]) -> "Recipe":
        """The recipe with fields of some sections replaced."""
        fields = {name: getattr(self, name).model_copy(update=changes)
                  for name, changes in sections.items() if getattr(self, name) is not None}
        return self.model_copy(update=fields)
