"""The vocabulary of the house: every other file is written in these words.

One question runs through all of them: where do views come from?

    View(column=...)      given by data          premise and entailment
    View(transform=...)   made at the input      a crop of the text
    View(perturb=...)     made in the network    dropout at the output of one layer

Shapes: b samples, v views, t tokens, d width of an embedding, p width of a projection.
"""

from diptych.core.cuts import cuts, encoding, fitting
from diptych.core.encoded import Encoded
from diptych.core.encoder import ON_GPU, Encoder, micro_of, portions
from diptych.core.hidden import Language, apart, unmasked
from diptych.core.hooks import outputs, perturbed
from diptych.core.instrument import Instrument, Snapshot
from diptych.core.machine import Machine
from diptych.core.method import Call, Recipe, recipe
from diptych.core.model import Kept, Model
from diptych.core.objective import Objective, Terms, Twin, Views, compared
from diptych.core.optimiser import Optimiser, Schedule
from diptych.core.precision import Precision, has_bf16
from diptych.core.samples import (
    Alteration,
    Batch,
    Change,
    Data,
    DataError,
    Graph,
    Jitter,
    Picture,
    Plan,
    Record,
    Sample,
    Text,
)
from diptych.core.teacher import Momentum, Teacher
from diptych.core.views import Fitted, Gradient, Noise, Perturb, Transform, Unit, View, unchanged
from diptych.draws import Draw

__all__ = [
    "ON_GPU",
    "Alteration",
    "Batch",
    "Call",
    "Change",
    "Data",
    "DataError",
    "Draw",
    "Encoded",
    "Encoder",
    "Fitted",
    "Gradient",
    "Graph",
    "Instrument",
    "Jitter",
    "Kept",
    "Language",
    "Machine",
    "Model",
    "Momentum",
    "Noise",
    "Objective",
    "Optimiser",
    "Perturb",
    "Picture",
    "Plan",
    "Precision",
    "Recipe",
    "Record",
    "Sample",
    "Schedule",
    "Snapshot",
    "Teacher",
    "Terms",
    "Text",
    "Transform",
    "Twin",
    "Unit",
    "View",
    "Views",
    "apart",
    "compared",
    "cuts",
    "encoding",
    "fitting",
    "has_bf16",
    "micro_of",
    "outputs",
    "perturbed",
    "portions",
    "recipe",
    "unchanged",
    "unmasked",
]
