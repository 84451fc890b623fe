"""Options that a recipe's settings inherit have their help too."""

import inspect
from typing import Annotated, Any, Required, TypedDict, Unpack, get_args, get_origin, get_type_hints

import pytest

from diptych import recipes
from diptych.cli.described import described
from diptych.recipes.settings import Training


class Mine(Training, TypedDict, total=False):
    shade: Required[str]
    """How dark."""
    bare: int


class Strict(TypedDict):
    shade: str
    """How dark."""


def told(settings):
    """The help of each option, and whether it must be given."""
    parameter = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD, annotation=Unpack[settings])
    (whole,) = get_args(described(parameter).annotation)
    found = {}
    for name, hint in get_type_hints(whole, include_extras=True).items():
        kind, *more = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found[name] = more[0].help if more else None, get_origin(kind) is Required
    return found


@pytest.mark.parametrize("recipe", recipes.ALL, ids=lambda recipe: recipe.__name__)
def test_every_option_of_a_recipe_has_a_help(recipe):
    (settings,) = get_args(inspect.signature(recipe).parameters["settings"].annotation)
    found = told(settings)
    assert found.keys() == settings.__annotations__.keys()
    assert all(text for text, _ in found.values())
    assert "batch's spectrum" in found["rank_reduction"][0]


def test_options_of_its_own_come_first_and_then_what_is_inherited():
    found = told(Mine)
    assert [*found][:2] == ["shade", "batch"]
    assert found["shade"] == ("How dark.", True)
    assert found["epochs"] == ("Passes over the corpus.", False)
    assert found["bare"] == (None, False)


def test_what_must_be_given_must_be_given():
    assert told(Strict) == {"shade": ("How dark.", True)}


def test_settings_without_a_source_have_options_without_help():
    made: Any = TypedDict("made", {"shade": int})
    assert told(made) == {"shade": (None, True)}


def test_other_keyword_arguments_are_left_alone():
    other = inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD, annotation=Any)
    assert described(other) is other
