"""The pages of a run that was judged: its report, and its model's card."""

from diptych.report import page, written
from diptych.report.markdown import model_card
from diptych.runs import Run


def pages(run: Run) -> None:
    """Writes them from what the run's folder holds."""
    shown = written.card(run)
    page.write(run.model / "README.md", model_card(written.public(shown)))
    page.write(run.report, page.page(shown, written.evidence(run), gallery=written.gallery(run)))
