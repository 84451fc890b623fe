import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for `toy`

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run side by side, one process per core
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
settings.register_profile("busy", deadline=None)  # how long a case takes is up to the machine
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Every test has a cache of its own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DIPTYCH_CACHE", str(folder))
    return folder


@pytest.fixture
def stopped():
    """Within `stopped(n)` what is trained is stopped at its n-th line of metrics, as a signal would."""
    from diptych.train import loop

    @contextmanager
    def within(line):
        real, lines = loop._measured, []

        def measured(*args):
            lines.append(args)
            if len(lines) == line:
                raise loop.Interrupted
            return real(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "_measured", measured)
            with pytest.raises(loop.Interrupted):
                yield

    return within


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: DIPTYCH_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("DIPTYCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here; DIPTYCH_DATA names their folder")
    return folder
