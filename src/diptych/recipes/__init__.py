"""Recipes: functions that return a `Recipe`. One file per paper's idea."""

from diptych.recipes.crop import crop
from diptych.recipes.dropout import dropout
from diptych.recipes.nli import nli

ALL = (crop, dropout, nli)

__all__ = ["ALL", "crop", "dropout", "nli"]
