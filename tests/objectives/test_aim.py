"""What a page says that training does."""

from torch import nn

from diptych.objectives.headed import Headed
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.koleo import KoLeo
from diptych.objectives.sum import Sum


def test_a_sum_does_what_its_parts_do_each_said_once():
    assert Sum(InfoNCE(), (0.1, KoLeo()), (0.2, InfoNCE())).aim == f"{InfoNCE.aim}; {KoLeo.aim}"


def test_a_head_before_an_objective_changes_nothing_of_what_it_is_for():
    assert Headed(KoLeo(), nn.Identity()).aim == KoLeo.aim
