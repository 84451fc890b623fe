"""Recipes: functions that return a `Recipe`. One file per paper's idea."""

from diptych.recipes.crop import crop
from diptych.recipes.dropout import dropout

ALL = (crop, dropout)

__all__ = ["ALL", "crop", "dropout"]
