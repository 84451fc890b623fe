VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
.PHONY: demo test check bench speed

demo: $(VENV)/installed  ## from the docstrings on this machine to an embedding model
	$(VENV)/bin/diptych demo

test: $(VENV)/tested  ## every test that this machine's data allow
	$(VENV)/bin/python -m pytest

check: $(VENV)/tested  ## style, types, import rules and the code blocks of the docs
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/tested  ## the tables of docs/benchmarks.md (hours); DATA is a folder of labelled corpora
	$(VENV)/bin/python benchmarks/crops.py --data $(DATA) --seeds 5
	$(VENV)/bin/python benchmarks/crops.py --data $(DATA) --seeds 5 --folds 10 --corpora arxiv_lite,bbc_news,iclr2021_papers
	$(VENV)/bin/python benchmarks/claims.py --data $(DATA)
	$(VENV)/bin/python benchmarks/large_batches.py
	$(VENV)/bin/python benchmarks/growth.py

speed: $(VENV)/tested  ## the tables of speed in docs/benchmarks.md (half an hour, on a machine that does nothing else)
	$(PIP) --editable '.[bench]'
	$(VENV)/bin/python benchmarks/static_training.py
	$(VENV)/bin/python benchmarks/encode.py
	$(VENV)/bin/python benchmarks/text_training.py --steps 1 --arms st_fp32,st_bf16
	$(VENV)/bin/python benchmarks/text_training.py --steps 2 --arms st_best
	$(VENV)/bin/python benchmarks/same_learning.py --data $(DATA)

$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/tested: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	touch $(VENV)/installed $@
