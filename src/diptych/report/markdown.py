"""A model card: the README.md of a model folder, as the Hugging Face hub reads it."""

import json
import re
import shlex

from diptych.report.card import Card
from diptych.report.digits import part, plain, with_error
from diptych.report.metrics import metric, places, present, row_name, value
from diptych.report.steps import brief
from diptych.report.verdict import sentence

FRONT = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- feature-extraction
- diptych
---
"""


FRONT_OF_PICTURES = """---
library_name: transformers
pipeline_tag: image-feature-extraction
tags:
- image-feature-extraction
- diptych
---
"""


FRONT_OF_GRAPHS = """---
library_name: diptych
pipeline_tag: graph-ml
tags:
- graph-ml
- diptych
---
"""


def model_card(card: Card) -> str:
    """What the model is, how to use it, how good it is and where it comes from, as Markdown."""
    if _of(card, "graph"):
        front, kind, usage = FRONT_OF_GRAPHS, "Graphs", _usage_of_graphs(card)
    elif _of(card, "image"):
        front, kind, usage = FRONT_OF_PICTURES, "Pictures", _usage_of_pictures(card)
    else:
        front, kind, usage = FRONT, "Text", _usage(card)
    parts = [
        front,
        f"# {escaped(card.name)}\n",
        f"{escaped(sentence(card))}\n",
        f"{kind} in, embeddings out; trained {_taught(card)} by diptych.\n",
        usage,
    ]
    if present([card.scores]):
        parts += ["## Scores\n", _scores(card), _notes(card)]
    return "\n".join([*parts, "## Provenance\n", _provenance(card)])


def _of(card: Card, column: str) -> bool:
    return any(view.get("column") == column for view in card.views)


def _taught(card: Card) -> str:
    """What training was told beside the texts, pictures or graphs."""
    given = [view["column"] for view in card.views if view.get("column", "text") not in ("text", "image", "graph")]
    return f"on rows of texts that belong together ({escaped(', '.join(given))})" if given else "without labels"


def escaped(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", line)


def _usage(card: Card) -> str:
    corpus = " ".join(str(card.arguments.get("corpus") or "CORPUS").split())
    model = " ".join(card.model.split())
    return f"""## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({json.dumps(model)})
embeddings = model.encode(["a text", "another text"])
```

```sh
diptych search {shlex.quote(model)} {shlex.quote(corpus)} "your question"
```
"""


def _usage_of_pictures(card: Card) -> str:
    corpus = " ".join(str(card.arguments.get("corpus") or "CORPUS").split())
    model = " ".join(card.model.split())
    allowed = ", trust_remote_code=True" if card.own_code else ""
    said = ", which are allowed the code of the network that is in the folder" if card.own_code else ""
    return f"""## Use

```python
import diptych

embeddings = diptych.load({json.dumps(model)}).encode(["picture.png", "another.jpg"])
```

With `transformers` alone{said}:

```python
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

processor = AutoImageProcessor.from_pretrained({json.dumps(model)})
network = AutoModel.from_pretrained({json.dumps(model)}{allowed}).eval()
embedding = network(**processor(Image.open("picture.png"), return_tensors="pt")).{card.embedding}
```

```sh
diptych search {shlex.quote(model)} {shlex.quote(corpus)} picture.png
```
"""


def _usage_of_graphs(card: Card) -> str:
    corpus = " ".join(str(card.arguments.get("corpus") or "CORPUS").split())
    model = " ".join(card.model.split())
    return f"""## Use

```python
import diptych
from diptych.data.graphs.corpus import graphs

model = diptych.load({json.dumps(model)})
corpus = graphs({json.dumps(corpus)}).told_by(model.features)
embeddings = model.encode(corpus.items)
```

```sh
diptych evaluate {shlex.quote(model)} {shlex.quote(corpus)}
```
"""


def _scores(card: Card) -> str:
    names = present([card.scores])
    heads = [metric(m).name + (", lower is better" if metric(m).higher is False else "") for m in names]
    lines = [["", *map(escaped, heads)], ["---", *["---:"] * len(names)]]
    for row in card.scores:
        cells = (
            with_error(value(card.scores, row, m), value(card.errors, row, m), places(m, card.errors)) for m in names
        )
        lines.append([escaped(row_name(row)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _notes(card: Card) -> str:
    told = ["± is one standard error."] if any(card.errors.values()) else []
    told += [f"{metric(m).name}: {metric(m).meaning}." for m in present([card.scores]) if metric(m).meaning]
    return "\n".join(f"- {escaped(note)}" for note in [*told, *card.notes]) + "\n"


def _provenance(card: Card) -> str:
    views = [", ".join(f"{k} {brief(x)}" for k, x in view.items() if x) for view in card.views]
    facts = {
        "recipe": card.recipe,
        "recipe after": card.source,
        **{f"view {i + 1}": told for i, told in enumerate(views)},
        "objective": card.objective,
        "objective after": card.paper,
        **{name: plain(x) for name, x in card.arguments.items() if x is not None},
        "parameters": " ".join(
            [plain(card.cost.parameters or ""), part(card.cost.trained, card.cost.parameters)]
        ).strip(),
        "seed": str(card.seed),
        "data": card.fingerprint,
        "commit": card.commit,
        "versions": ", ".join(f"{name} {told}" for name, told in card.versions.items()),
    }
    return "\n".join(f"- {escaped(name)}: {escaped(told)}" for name, told in facts.items() if told) + "\n"
