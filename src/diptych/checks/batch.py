"""How many negatives an anchor has, of how many documents, and how often each is seen."""

from diptych.called import called
from diptych.checks.finding import Finding, Subject, percent
from diptych.plural import counted
from diptych.train.batches import epoch_steps

FEW = 16  # negatives of an anchor
MANY = 100  # passes over a corpus


def batch(subject: Subject) -> Finding:
    """Negatives of an anchor, and the part of all documents that they are."""
    recipe = subject.recipe
    member = called(recipe).member
    hard = sum(view.role == "negative" for view in recipe.views)
    which, n = recipe.objective.told("negatives") or "all", len(recipe.data)
    if recipe.objective.told("temperature") is None:
        told = f"a batch of {recipe.batch:,}; no {member} is a negative of another in {type(recipe.objective).__name__}"
        return Finding("negatives", "ok", told, "", {"batch": recipe.batch, "negatives": 0, "documents": n})
    own = 0 if which == "own" else recipe.batch - 1 + (recipe.objective.told("size") or 0)
    theirs = hard * (recipe.batch if which == "all" else 1)
    numbers = {"batch": recipe.batch, "negatives": own + theirs, "hard": theirs, "documents": n}
    of_hard = f", {theirs:,} of them hard" if theirs else ""
    told = f"{counted(own + theirs, 'negative')} for an anchor{of_hard}: {percent(own / n)} of {counted(n, member)}"
    if 0 < own + theirs < FEW and which != "own":
        return Finding("negatives", "look", told, f"few to choose among: a larger --batch, or more {member}s", numbers)
    if recipe.batch > n / 2:
        remedy = f"every step has nearly the same {member}s: a smaller --batch, or more of them"
        return Finding("negatives", "look", told, remedy, numbers)
    return Finding("negatives", "ok", told, "", numbers)


def steps(subject: Subject) -> Finding:
    """Steps, and how many passes over the data they make."""
    recipe, per_epoch = subject.recipe, epoch_steps(subject.recipe)
    epochs = recipe.steps / per_epoch
    numbers = {"steps": recipe.steps, "steps_per_epoch": per_epoch, "epochs": epochs}
    told = f"{counted(recipe.steps, 'step')}, {counted(epochs, 'pass', digits='.3g')} over the data"
    if epochs < 1:
        remedy = f"{percent(1 - epochs)} of the data will not be seen: --epochs 1 is {counted(per_epoch, 'step')}"
        return Finding("steps", "look", told, remedy, numbers)
    if epochs > MANY:
        member = called(recipe).member
        remedy = f"few {member}s, seen often, are learned by heart: --epochs says how often, more {member}s help more"
        return Finding("steps", "look", told, remedy, numbers)
    return Finding("steps", "ok", told, "", numbers)
