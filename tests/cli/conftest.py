import json

import pytest

from diptych import cli

TOPICS = {
    "ships": "The harbour was full of sails. A captain wrote in the log. The tide came in at noon. Ropes were coiled.",
    "bread": "Flour and water make a dough. Leave it to rise overnight. The oven must be hot. A crust is a promise.",
    "stars": "The comet was faint that night. A lens gathers light. Orbits are drawn by hand. The sky was clear.",
}


@pytest.fixture
def corpus(tmp_path):
    """48 short documents of three topics."""
    path = tmp_path / "docs.jsonl"
    lines = []
    for i in range(48):
        topic = list(TOPICS)[i % 3]
        sentences = TOPICS[topic].split(". ")
        text = ". ".join(sentences[i % 4 :] + sentences[: i % 4] + [f"Note {i} of {topic}"]) + "."
        lines.append(json.dumps({"text": text, "label": topic}))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def diptych(capsys, monkeypatch, tmp_path):
    """Runs a command line; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*tokens):
        capsys.readouterr()
        code = cli.run([str(token) for token in tokens])
        out, err = capsys.readouterr()
        assert "Traceback" not in err + out
        return code, out, err

    return call


SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


@pytest.fixture
def run(diptych, corpus, tmp_path):
    """A finished run."""
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    return tmp_path / "run"
