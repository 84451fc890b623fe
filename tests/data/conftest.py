import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `writers`


@pytest.fixture
def cache_folder(cache):
    """The folder that the cache of this test is in."""
    return cache
