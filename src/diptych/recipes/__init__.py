"""Recipes: functions that return a `Recipe`. One file per paper's idea."""

from diptych.recipes.crop import crop
from diptych.recipes.deep_augmentation import deep_augmentation
from diptych.recipes.dropout import dropout
from diptych.recipes.esimcse import esimcse
from diptych.recipes.infocse import infocse
from diptych.recipes.mixcse import mixcse
from diptych.recipes.mlm import mlm
from diptych.recipes.nli import nli
from diptych.recipes.promptbert import promptbert
from diptych.recipes.regression import regression
from diptych.recipes.simclr import simclr
from diptych.recipes.simcse import simcse

ALL = (crop, dropout, deep_augmentation, nli, simcse, mixcse, esimcse, infocse, promptbert, regression, mlm, simclr)

__all__ = [
    "ALL",
    "crop",
    "deep_augmentation",
    "dropout",
    "esimcse",
    "infocse",
    "mixcse",
    "mlm",
    "nli",
    "promptbert",
    "regression",
    "simclr",
    "simcse",
]
