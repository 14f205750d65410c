# SPDX-License-Identifier: Apache-2.0
"""The recipe of a compression: all hyper-parameters of the pipeline, checked before it begins."""
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .methods.train import Affine, Schedule
from .recipe_rules import AUTO, integers_rule, keep_rule, slots_rule

__all__ = ["AUTO", "Section", "Training", "Augmentation", "Data", "Prune", "Share", "Distill",
           "Quantise", "Recipe"]

_MOST_SLOTS = 256                       # codes of eight bits
_SLOTS = 16                             # of a layer for which the recipe gives none


class Section(BaseModel):
    """A table of a recipe. Unknown keys and values of a wrong type are refused, but an integer is a
    real number. Immutable."""
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Training(Section):
    """Training by AdamW, with a learning rate that falls along half a cosine.

    Attributes
    ----------
    epochs : passes over the training images.
    rate, final_rate : learning rate at the start and at the end.
    batch : images per step; an incomplete batch at the end of an epoch is skipped.
    decay : weight decay, decoupled from the gradient.
    """
    epochs: int = Field(ge=1)
    rate: float = Field(default=1e-3, gt=0)
    final_rate: float = Field(default=1e-5, ge=0)
    batch: int = Field(default=128, ge=1)
    decay: float = Field(default=0.0, ge=0)

    @property
    def schedule(self) -> Schedule:
        """The schedule for the training loop."""
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
        """The augmentation for the training loop."""
        return Affine(**self.model_dump())


class Data(Section):
    """How images become the network's inputs.

    Attributes
    ----------
    hold_out : number of training images, the last ones, that are not trained with: all decisions
        are made on them. None is a tenth, at most 5,000.
    scale, offset : replace the data's own: the network sees (x - offset) * scale. ``offset`` is
        one integer, or one for each channel.
    shape : of an image as the network takes it, without the batch; None: the data's.
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
    """Which weights are kept.

    Attributes
    ----------
    keep : share of the whole network's weights, by one threshold; or shares by layer, the other
        layers not being pruned; or ``"auto"``: chosen by the sensitivity of each layer on the
        held-out images.
    schedule : of the shares from round to round, ``geometric`` or ``gradual`` (cubic).
    rounds : number of pruning rounds.
    balance : number of PEs that keep equally many weights of each layer; None: no balance.
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
            raise ValueError("keep = \"auto\" chooses its own rounds; leave out rounds and "
                             "schedule")
        if self.schedule != "geometric" and self.rounds == 1:
            raise ValueError(f"a schedule, {self.schedule!r}, needs rounds of 2 or more")
        return self


class Share(Section):
    """Number of different values of a layer's weights.

    Attributes
    ----------
    slots : codebook size, slot 0 (zero) included, of all layers or by layer (others: 16); or
        ``"auto"``.
    bits : instead of ``slots``, bits of a code; or ``"auto"``: the fewest that the budget allows
        on the held-out images.
    init : initialisation of k-means, ``linear``, ``density`` or ``random`` (Deep Compression,
        section 3.2).
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
        """True if the pipeline chooses the slots."""
        return AUTO in (self.slots, self.bits)

    def by_layer(self, names: list[str]) -> dict[str, int]:
        """Slots of each layer in ``names``; not for ``auto``."""
        if self.bits is None:
            return _by_layer(self.slots, names, _SLOTS)
        bits = _by_layer(self.bits, names, _SLOTS.bit_length() - 1)
        return {name: 1 << width for name, width in bits.items()}


def _by_layer(given: int | dict[str, int] | str | None, names: list[str], default: int
              ) -> dict[str, int]:
    """A number for each layer, from one for all or from some by name."""
    if isinstance(given, dict):
        return {name: given.get(name, default) for name in names}
    if isinstance(given, str):
        raise ValueError(f"{given!r} is chosen by the pipeline, and is no number")
    return dict.fromkeys(names, default if given is None else given)


class Distill(Section):
    """Distillation: the float network teaches the compressed one in all of its training.

    Attributes
    ----------
    temperature : at which the outputs of both networks are compared.
    soft : weight of that comparison; the weight of the labels is 1 - soft.
    """
    temperature: float = Field(default=4.0, gt=0)
    soft: float = Field(default=0.7, ge=0, le=1)


class Quantise(Section):
    """The integer network.

    Attributes
    ----------
    act_width, acc_width : bits of activations and accumulators; the accumulators of all presets
        have at least 40.
    calibration : number of training images, the first ones, that set the activations' scales.
    """
    act_width: Literal[8, 16] = 16
    acc_width: int = Field(default=40, ge=16, le=48)
    calibration: int = Field(default=2000, ge=1)


class Recipe(Section):
    """All hyper-parameters of a compression. A step whose section is missing is left out.

    Attributes
    ----------
    name : of the network; None: the name of its class.
    encoding : of layers with shared weights; others are stored as ``csr``.
    data, train, prune, retrain, share, centroids, distill, quantise : see the sections. ``train``
        trains a float network that has no weights, ``retrain`` follows pruning, and ``centroids``
        trains the shared values.
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
            raise ValueError("[retrain] trains what [prune] keeps, which is missing; [train] "
                             "trains a float network")
        if self.distill is not None and self.train is None and not self.trains_compressed:
            raise ValueError("[distill] is for training, and nothing is trained: add [retrain], "
                             "[centroids], prune.between or [train]")
        if self.encoding == "codebook" and self.share is None:
            raise ValueError("encoding \"codebook\" is for layers with shared weights: add [share]")
        if self.data.augment is not None and self.train is None and not self.trains_compressed:
            raise ValueError("data.augment is for training, and nothing is trained: add [train], "
                             "[retrain], [centroids] or prune.between")
        return self

    @property
    def trains_compressed(self) -> bool:
        """True if anything is trained after the float network."""
        between = self.prune is not None and self.prune.between is not None
        return between or self.retrain is not None or self.centroids is not None

    @property
    def decides(self) -> bool:
        """True if the pipeline chooses shares of weights or slots."""
        chooses_keep = self.prune is not None and self.prune.keep == AUTO
        chooses_slots = self.share is not None and self.share.auto
        return chooses_keep or chooses_slots

    def resolved(self, **sections: dict[str, Any]) -> "Recipe":
        """The recipe with fields of some sections replaced."""
        fields = {name: getattr(self, name).model_copy(update=changes)
                  for name, changes in sections.items() if getattr(self, name) is not None}
        return self.model_copy(update=fields)
