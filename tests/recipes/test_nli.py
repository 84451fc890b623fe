"""Premise, entailment, contradiction: the recipe, and its run from beginning to end."""

import json

import pytest
import torch
from triplets import sts, table

import diptych
from diptych import Machine, encoders, fit, recipes, resume
from diptych.core import DataError, Optimiser
from diptych.fitting import verify
from diptych.train.loop import WALL_CLOCK, Interrupted
from diptych.train.optim import schedule

SMALL = {"dim": 16, "vocabulary": 120, "batch": 8, "steps": 6}


@pytest.fixture
def small_lm(tmp_path):
    """A causal language model of two small blocks."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", "a", "two", "the", "man", "dogs", "crowd", "child", "runs", "in", "park", "today"]
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **sizes)).save_pretrained(tmp_path / "lm")
    made = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    made.save_pretrained(tmp_path / "lm")
    return str(tmp_path / "lm")


def test_views_are_given_by_columns(tmp_path):
    made = recipes.nli(str(table(tmp_path)), **SMALL)
    assert [(v.role, v.column) for v in made.views] == [
        ("view", "premise"), ("view", "entailment"), ("negative", "contradiction"),
    ]  # fmt: skip
    assert {*made.data[0]} == {"premise", "entailment", "contradiction"}
    assert made.objective.negatives == "all"
    assert made.documents is None


def test_without_hard_negatives_there_is_no_such_view(tmp_path):
    whole = str(table(tmp_path))
    made = recipes.nli(whole, hard_negatives=False, **SMALL)
    assert [v.role for v in made.views] == ["view", "view"]
    pairs = str(table(tmp_path, keep=("sent0", "sent1")))
    assert len(recipes.nli(pairs, **SMALL).views) == 2
    with pytest.raises(DataError, match="no column for contradiction"):
        recipes.nli(pairs, hard_negatives=True, **SMALL)
    for settings, flag in (({"negatives": "own"}, "--negatives own"), ({"hard_weight": 2.0}, "--hard-weight")):
        with pytest.raises(ValueError, match=f"{flag} is about hard negatives, and none are read"):
            recipes.nli(pairs, **settings, **SMALL)


@pytest.mark.parametrize("option", [{"text_column": "sent0"}, {"label_column": "x"}, {"train_only": True}])
def test_options_for_documents_are_refused(tmp_path, option):
    with pytest.raises(ValueError, match="is for recipes of documents; --columns names"):
        recipes.nli(str(table(tmp_path)), **option, **SMALL)


def test_a_language_model_gets_the_settings_of_its_paper(tmp_path, small_lm):
    """arXiv:2408.00690: LoRA of rank 8 on queries and values, rate 5e-5, cosine, 100 steps of warm-up, decay 1e-4."""
    pytest.importorskip("peft")
    made = recipes.nli(str(table(tmp_path, 1500)), encoder=small_lm, epochs=41)
    assert made.batch == 60
    assert made.optimiser == Optimiser(5e-5, weight_decay=1e-4, warmup_steps=100, schedule="cosine")
    assert made.objective.temperature == 0.05
    learning = {name for name, p in made.model.encoder.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name and ("q_proj" in name or "v_proj" in name) for name in learning)
    assert sum(p.numel() for p in made.model.encoder.parameters() if p.requires_grad) == 2 * 2 * 2 * 16 * 8
    short = recipes.nli(str(table(tmp_path, 1500)), encoder=small_lm)
    assert (short.steps, short.optimiser.warmup_steps) == (25, 2)
    assert "warm-up 100 -> 2 steps: the run takes 25" in short.notes
    full = recipes.nli(str(table(tmp_path)), encoder=small_lm, lora=0, steps=3, warmup_steps=2)
    assert all("lora_" not in name for name, _ in full.model.encoder.named_parameters())
    assert full.optimiser.warmup_steps == 2


def test_an_encoder_gets_those_of_supervised_simcse(tmp_path):
    rows, folder = str(table(tmp_path, 300)), tmp_path / "tiny"
    recipes.nli(rows, encoder="tiny", **SMALL).model.encoder.save(folder)
    made = recipes.nli(rows, encoder=str(folder))
    assert (made.batch, made.steps) == (128, 6)
    assert made.optimiser == Optimiser(5e-5, warmup=0.0, clip=1.0)
    assert all(p.requires_grad for name, p in made.model.encoder.named_parameters() if "pooler" not in name)


def test_repeated_premises_are_told(tmp_path):
    path = table(tmp_path)
    path.write_text(path.read_text() * 2)
    made = recipes.nli(str(path), **SMALL)
    assert any(note.startswith("80 rows with the premise of another") for note in made.notes)
    (told,) = [note for note in made.notes if "is then a negative" in note]
    assert told.startswith(f"a batch of 8 has {8 * 7 / (80 * 79) * 80:.2g} times")


def metrics(run):
    return [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in run.metrics]


def test_a_run_is_judged_on_the_sets_that_are_there(tmp_path):
    folder = sts(tmp_path / "sts")
    made = recipes.nli(str(table(tmp_path)), evaluate=str(folder), every=4, **{**SMALL, "steps": 10})
    assert any("no mean of 9" in note and "sts12" in note and "biosses" in note for note in made.notes)
    run = fit(made, tmp_path / "run")
    asked = [line["step"] for line in run.metrics if "stsb_spearman" in line]
    assert asked == [4, 8, 10]
    assert "stsb/dev_spearman" in run.metrics[-1]
    table_ = run.scores["scores"]
    assert {*table_} == {"model", "untrained", "tfidf"}
    assert {*table_["model"]} == {"stsb_spearman", "stsb/dev_spearman", "sickr_spearman"}
    assert not any("mean" in name for name in table_["model"])
    assert table_["model"]["stsb_spearman"] == pytest.approx(run.metrics[-1]["stsb_spearman"], abs=1e-3)
    assert table_["model"] != table_["untrained"]
    start = encoders.load(run.start)
    assert made.instruments[0].ask(start.encode)["sickr_spearman"] == pytest.approx(
        table_["untrained"]["sickr_spearman"]
    )
    assert {line["task"] for line in run.scores["results"]["model"]} >= {"stsb", "sickr", "sickr/all"}
    assert any("no mean of 9" in note for note in run.scores["notes"])
    page, card = run.report.read_text(), (run.model / "README.md").read_text()
    assert "stsb spearman" in page
    assert "stsb spearman" in card
    assert "rows of texts that belong together (premise, entailment, contradiction)" in card
    assert "without labels" not in card


def test_all_nine_sets_have_a_mean(tmp_path):
    names = ("sts12", "sts13", "sts14", "sts15", "sts16", "stsb", "sickr", "sts17", "biosses")
    made = recipes.nli(str(table(tmp_path)), evaluate=str(sts(tmp_path / "sts", names)), **SMALL)
    found = made.instruments[0].ask(made.model.encoder.encode)
    of_nine = [found[f"{name}_spearman"] for name in names if name != "sickr"]
    assert min([*of_nine, 100]) <= found["mean_of_9_spearman"] <= max([*of_nine, 100])


def test_evaluation_disturbs_neither_a_run_nor_its_resumption(tmp_path):
    """The same bytes, stopped and resumed, and the same loss as without."""
    rows, folder = str(table(tmp_path)), str(sts(tmp_path / "sts"))
    settings = {"evaluate": folder, "every": 2, "encoder": "tiny", **SMALL}
    whole = fit(recipes.nli(rows, **settings), tmp_path / "whole")

    def stop(line):
        if line["step"] == 3:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        fit(recipes.nli(rows, **settings), tmp_path / "cut", watch=stop)
    again = resume(recipes.nli(rows, **settings), tmp_path / "cut")
    assert metrics(whole) == metrics(again)
    weights = [(run.model / "model.safetensors").read_bytes() for run in (whole, again)]
    assert weights[0] == weights[1]
    assert again.scores["scores"] == whole.scores["scores"]
    assert verify(recipes.nli(rows, **settings), tmp_path / "cut") == (4, 6)
    without = fit(recipes.nli(rows, encoder="tiny", **SMALL), tmp_path / "without")
    assert (without.model / "model.safetensors").read_bytes() == weights[0]
    assert [line["loss"] for line in without.metrics] == [line["loss"] for line in whole.metrics]


def test_without_anything_to_judge_on_there_is_still_a_report(tmp_path):
    run = fit(recipes.nli(str(table(tmp_path)), **SMALL), tmp_path / "run")
    assert run.finished
    assert run.scores["scores"] == {}
    assert "this run was not judged" in run.report.read_text()
    assert "this run was not judged" in (run.model / "README.md").read_text()
    assert resume(recipes.nli(str(table(tmp_path)), **SMALL), tmp_path / "run").finished


def test_a_run_of_documents_has_the_settings_it_always_had(tmp_path):
    """Runs that were begun before there were schedules can be resumed."""
    docs = diptych.from_texts([f"One {i}. Two is {i} words. And three." for i in range(30)])
    run = fit(recipes.crop(docs, dim=8, vocabulary=200, steps=2), tmp_path / "run", judged=False)
    assert {*run.call["settings"]} == {"lr", "warmup", "weight_decay", "betas", "temperature", "dim"}


def test_steps_of_warm_up_and_half_a_cosine():
    cosine = Optimiser(1, warmup_steps=4, schedule="cosine")
    rates = [schedule(cosine, step, 24, 10) for step in range(24)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4] == 1
    assert rates[14] == pytest.approx(0.5)
    assert rates[9] == pytest.approx((1 + 0.5**0.5) / 2)
    assert 0 < rates[23] < 0.01
    assert [schedule(Optimiser(1, warmup_steps=4), s, 24, 10) for s in (4, 14)] == [1, 0.5]
    for settings in ({"warmup_steps": -1}, {"schedule": "none"}, {"weight_decay": -1}):
        with pytest.raises(ValueError, match=str(next(iter(settings.values())))):
            Optimiser(1, **settings)


def test_two_ways_to_say_the_warm_up_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--warmup and --warmup-steps say the same thing"):
        recipes.nli(str(table(tmp_path)), warmup=0.1, warmup_steps=3, **SMALL)


def test_a_warm_up_as_long_as_the_run_is_refused(tmp_path):
    rows = str(table(tmp_path))
    for steps in (6, 7):
        with pytest.raises(
            ValueError, match=f"--warmup-steps {steps} in a run of 6 steps: the peak .* never be reached"
        ):
            recipes.nli(rows, warmup_steps=steps, **SMALL)
    assert recipes.nli(rows, warmup_steps=5, **SMALL).optimiser.warmup_steps == 5
    docs = diptych.from_texts([f"One {i}. Two is {i} words. And three." for i in range(30)])
    with pytest.raises(ValueError, match="the peak rate would never be reached"):
        recipes.crop(docs, dim=8, vocabulary=200, steps=2, warmup_steps=2)


def test_a_choice_among_nothing_is_refused(tmp_path):
    rows = str(table(tmp_path))
    with pytest.raises(ValueError, match=r"--negatives own with --hard-weight 0 .* the loss is always 0"):
        recipes.nli(rows, negatives="own", hard_weight=0, **SMALL)
    assert recipes.nli(rows, negatives="batch", hard_weight=0, **SMALL).objective.hard_weight == 0


def test_steps_between_judging_need_something_to_judge_on(tmp_path):
    with pytest.raises(ValueError, match=r"--every 5 is about judging along the way; say on what: --evaluate"):
        recipes.nli(str(table(tmp_path)), every=5, **SMALL)


def test_an_adapter_that_is_there_is_not_left_out(tmp_path, small_lm):
    pytest.importorskip("peft")
    rows = str(table(tmp_path))
    recipes.nli(rows, encoder=small_lm, steps=3).model.encoder.save(tmp_path / "adapter")
    with pytest.raises(ValueError, match=r"the model has one, .*; save it merged first \(--merge\)"):
        recipes.nli(rows, init=str(tmp_path / "adapter"), lora=0, steps=3)
    merged = recipes.nli(rows, init=str(tmp_path / "adapter"), merge=True, steps=3).model.encoder
    merged.save(tmp_path / "merged")
    full = recipes.nli(rows, init=str(tmp_path / "merged"), lora=0, steps=3).model.encoder
    assert all("lora_" not in name for name, _ in full.named_parameters())


def test_scores_are_not_taken_every_no_steps(tmp_path):
    with pytest.raises(ValueError, match="every so many steps, 1 or more; got 0"):
        recipes.nli(str(table(tmp_path)), evaluate=str(sts(tmp_path / "sts")), every=0, **SMALL)


@pytest.mark.real
@pytest.mark.slow
def test_a_small_llama_learns_from_real_triplets(tmp_path, shared_data):
    """A hundred steps on SNLI, all weights: the sets that are there get better, and the missing are named."""
    model, rows = shared_data / "models" / "lm_stories260k", shared_data / "nli" / "snli_triplets.jsonl"
    folder = tmp_path / "sts"
    folder.mkdir()
    for name in ("stsb", "sickr"):
        (folder / f"{name}.jsonl").write_bytes((shared_data / "sts" / f"{name}.jsonl").read_bytes())
    made = recipes.nli(str(rows), encoder=str(model), lora=0, lr=1e-3, steps=100, evaluate=str(folder), every=50)
    assert made.batch == 60
    run = fit(made, tmp_path / "run", Machine(precision="fp32"))
    scores = run.scores["scores"]
    assert [line["step"] for line in run.metrics if "sickr_spearman" in line] == [50, 100]
    for name in ("stsb_spearman", "sickr_spearman"):
        assert scores["model"][name] > scores["untrained"][name] + 5
    told = json.dumps(run.scores["notes"])
    assert "no mean of 9, for these sets are missing: sts12, sts13, sts14, sts15, sts16, sts17, biosses" in told
