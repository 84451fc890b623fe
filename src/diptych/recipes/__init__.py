"""Recipes: functions that return a `Recipe`. One file per paper's idea."""

from diptych.recipes.barlow_twins import barlow_twins
from diptych.recipes.byol import byol
from diptych.recipes.crop import crop
from diptych.recipes.deep_augmentation import deep_augmentation
from diptych.recipes.dino import dino
from diptych.recipes.dinov2 import dinov2
from diptych.recipes.dropout import dropout
from diptych.recipes.esimcse import esimcse
from diptych.recipes.graph_barlow_twins import graph_barlow_twins
from diptych.recipes.graph_byol import graph_byol
from diptych.recipes.graph_deep_augmentation import graph_deep_augmentation
from diptych.recipes.graphcl import graphcl
from diptych.recipes.infocse import infocse
from diptych.recipes.infograph import infograph
from diptych.recipes.mixcse import mixcse
from diptych.recipes.mlm import mlm
from diptych.recipes.nli import nli
from diptych.recipes.promptbert import promptbert
from diptych.recipes.regression import regression
from diptych.recipes.simclr import simclr
from diptych.recipes.simcse import simcse

ALL = (
    *(crop, dropout, deep_augmentation, nli, simcse, mixcse, esimcse, infocse, promptbert, regression, mlm),
    *(simclr, barlow_twins, byol, dino, dinov2),
    *(graphcl, infograph, graph_deep_augmentation, graph_barlow_twins, graph_byol),
)

__all__ = [
    "ALL",
    "barlow_twins",
    "byol",
    "crop",
    "deep_augmentation",
    "dino",
    "dinov2",
    "dropout",
    "esimcse",
    "graph_barlow_twins",
    "graph_byol",
    "graph_deep_augmentation",
    "graphcl",
    "infocse",
    "infograph",
    "mixcse",
    "mlm",
    "nli",
    "promptbert",
    "regression",
    "simclr",
    "simcse",
]
