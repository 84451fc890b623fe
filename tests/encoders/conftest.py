import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parent))  # for `networks`

from networks import FAMILIES, TEXTS, trained

from diptych.encoders.transformer import Transformer


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings in fp32 here, also on processors that have bf16."""
    monkeypatch.setattr(Transformer, "precision", "fp32")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def vocabulary() -> Tokenizer:
    """A tokenizer without any rule for special tokens."""
    return trained(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
