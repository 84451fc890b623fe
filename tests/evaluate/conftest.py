import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `hub_server`


@pytest.fixture
def told():
    """An encoder of texts that say their own embedding: "1 0.5" is the row [1, 0.5]."""
    return lambda texts: np.array([[float(x) for x in text.split()] for text in texts], np.float32)


@pytest.fixture
def table(tmp_path):
    """Writes rows as a table of JSON lines."""

    def write(name, rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write
