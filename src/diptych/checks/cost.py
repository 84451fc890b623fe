"""What a training takes: tokens that are computed for nothing, and memory."""

from diptych.called import called
from diptych.checks.finding import Finding, Subject
from diptych.train import memory, precision
from diptych.train.batches import suited, work

STEPS = 3  # that are looked at
WASTEFUL = 1.3  # tokens computed for a real one


def padding(subject: Subject) -> Finding:
    """Tokens that are computed for each real one, in the first steps."""
    recipe, where = subject.recipe, precision.device(subject.machine.device)
    machine = suited(subject.machine, recipe.model.encoder, where)  # as it is trained
    made = [work(recipe, step, machine) for step in range(min(STEPS, recipe.steps))]
    real, computed = sum(x.tokens for x in made), sum(x.computed for x in made)
    ratio = computed / max(1, real)
    numbers = {"steps": len(made), "tokens": real, "computed": computed, "padding": ratio}
    told = f"{ratio:.2f} tokens computed for a real one; {real // len(made):,} real ones in a step"
    if ratio <= WASTEFUL:
        return Finding("padding", "ok", told, "", numbers)
    remedy = f"{called(recipe).sample}s of one micro-batch differ much in size: a larger --batch gives more to sort"
    return Finding("padding", "look", told, remedy, numbers)


def room(subject: Subject) -> Finding:
    """Memory that a training takes, and that is there."""
    machine = subject.machine
    needed, there = memory.need(subject.recipe, machine), memory.free(precision.device(machine.device))
    peak = needed.estimate.peak
    numbers = {"peak": peak, "free": there, "on": needed.estimate.where}
    told = f"about {_size(peak)} more than now, at the worst moment"
    if there is None:
        return Finding("memory", "ok", f"{told}; how much is free is not known here", "", numbers)
    told += f"; {_size(there)} are free"
    _, *changes = memory.told(needed, there, machine) or [""]
    if not changes and peak <= there:
        return Finding("memory", "ok", told, "", numbers)
    return Finding("memory", "stop", told, "; ".join(x.strip() for x in changes) or "a smaller --batch", numbers)


def _size(bytes_: int) -> str:
    return f"{bytes_ / memory.GB:.1f} GB" if bytes_ >= memory.GB else f"{bytes_ / 1e6:.0f} MB"
