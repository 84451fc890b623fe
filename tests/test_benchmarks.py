"""What benchmark scripts are given: runs in a file are told apart by all that decides them, and folders are there."""

import json
import sys
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
DEV, SEVEN = "stsb/dev_spearman", "mean_of_7_spearman"


@pytest.fixture
def script(monkeypatch):
    """Imports a script by its name; its neighbours go with it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield import_module
    ours = {path.stem for path in BENCHMARKS.glob("*.py")}
    for name in (set(sys.modules) - before) & ours:
        del sys.modules[name]


@pytest.fixture
def refused(script, monkeypatch, capsys):
    """What a call is refused with: one line."""

    def ask(name, *options):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, options)])
        with pytest.raises(SystemExit) as error:
            script(name).main()
        assert error.value.code == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return ask


@pytest.fixture
def asked(script, monkeypatch):
    """The jobs that a call would carry out."""

    def ask(name, *options):
        module, jobs = script(name), []

        class Pool:
            def __init__(self, *given):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def map(self, run, many):
                jobs.extend(many)
                return []

        monkeypatch.setattr(module, "ProcessPoolExecutor", Pool)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, options)])
        module.main()
        return jobs

    return ask


@pytest.fixture
def data(tmp_path):
    """Folders as the scripts want them, with little in them."""
    for name in (
        "nli/snli_triplets.jsonl", "sts/stsb.jsonl", "unlabelled/wiki_sentences.txt", "text/bbc_news.jsonl",
        "models/lm_stories260k/config.json", "models/lm_babyllama_char/config.json", "graphs/MUTAG.npz",
        "start/config.json", "start/model.safetensors", "other/config.json", "other/model.safetensors",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(name if "start" in name or "other" in name else {}))
    return tmp_path


def write(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def scored(value):
    return {DEV: value, SEVEN: value, "stsb_spearman": value}


# ---------------------------------------------------------------- runs in a file


def run(seed, name="a", **settings):
    return {"arm": name, "seed": seed, "settings": settings}


@pytest.fixture
def told(script, capsys):
    """What is lacking of runs, or the error."""
    kept = script("kept")

    def lack(there, wanted):
        try:
            return kept.lacking(ArgumentParser("x"), "r.jsonl", there, wanted, ("arm",))
        except SystemExit:
            return capsys.readouterr().err.strip().splitlines()[-1]

    return lack


def test_a_run_that_is_there_is_not_made_again_and_others_are(told):
    there = [run(0, lr=0.1, steps=4)]
    assert told(there, [run(0, lr=0.1, steps=4), run(1, lr=0.1, steps=4), run(0, "b", lr=0.3)]) == [1, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_of_the_same_name_and_other_settings_is_refused_whatever_its_seed(told, seed):
    said = told([run(0, lr=0.1, suites=[])], [run(seed, lr=0.3, suites=["knn"])])
    assert said == (
        'x: error: --runs r.jsonl: this call gives lr 0.3, suites ["knn"] for a, and runs of it are there with lr 0.1, '
        "suites []; give these, or name another file"
    )


def test_lines_of_before_are_equal_in_what_they_do_not_say(told):
    old = {"arm": "a", "seed": 0, "lr": 0.1, "steps": 4, "after": {}}
    assert told([old], [run(0, lr=0.1, steps=4, batch=64), run(1, lr=0.1, batch=64)]) == [1]
    assert "this call gives steps 5 for a" in told([old], [run(0, lr=0.1, steps=5, batch=64)])


def test_a_file_that_mixes_settings_under_one_name_is_refused(script, tmp_path, capsys):
    kept, parser = script("kept"), ArgumentParser("x")
    file = write(tmp_path / "r.jsonl", run(0, lr=0.1), {"arm": "a", "seed": 1, "steps": 3}, run(2, lr=0.3))
    with pytest.raises(SystemExit):
        kept.runs(parser, file, "--table", ("arm",))
    said = capsys.readouterr().err
    assert f"--table {file}: it has runs of a with lr 0.1 (seed 0) and lr 0.3 (seed 2); keep each kind" in said
    assert len(kept.runs(parser, write(file, run(0, lr=0.1), run(1, "b", lr=0.3)), "--table", ("arm",))) == 2
    assert kept.runs(parser, tmp_path / "none", "--runs", ("arm",)) == kept.runs(parser, None, "--runs", ()) == []


@pytest.mark.parametrize("line", ['{"arm": "a", "se', '{"arm": "a"}', '{"seed": 0}', "3"])
def test_a_line_that_is_no_run_is_named(script, tmp_path, capsys, line):
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps(run(0)) + "\n" + line)
    with pytest.raises(SystemExit):
        script("kept").runs(ArgumentParser("x"), file, "--runs", ("arm",))
    assert "line 2 is no run" in capsys.readouterr().err


def test_nli_knows_a_run_by_all_that_decides_it(asked, refused, data):
    call = ("nli", "--data", data, "--models", "stories,tiny", "--arms", "default,lr4", "--seeds", 2)
    call = (*call, "--start", data / "start", "--runs", data / "r.jsonl", "--workers", 1)
    jobs = asked(*call)
    assert len(jobs) == 8
    assert {job.line["settings"]["lr"] for job in jobs} == {5e-5, 5e-4}
    write(data / "r.jsonl", *(job.line | {"after": None} for job in jobs[:4]))
    assert [(job.name, job.arm, job.seed) for job in asked(*call)] == [(j.name, j.arm, j.seed) for j in jobs[4:]]
    said = refused(*call, "--lr", 1e-4)
    assert "this call gives lr 0.0001 for stories default, and runs of it are there with lr 5e-05" in said
    (data / "senteval/probing").mkdir(parents=True)
    assert 'suites ["knn", "probing"] for stories default' in refused(*call, "--suites", "knn,probing")
    said = refused(*call, "--start", data / "other")
    assert "start " in said
    assert "for tiny default" in said
    write(data / "r.jsonl", {"model": "stories", "arm": "default", "seed": 0, "lr": 5e-5, "steps": 98, "after": None})
    assert len(asked(*call)) == 7


def test_inside_knows_a_run_by_all_that_decides_it(script, asked, refused, data, monkeypatch):
    monkeypatch.setattr(script("inside"), "blocks_of", lambda start: 4)
    call = (
        "inside",
        "--data",
        data,
        "--start",
        data / "start",
        "--arms",
        "simcse,regression@stsb:lr=1e-4",
        "--workers",
    )
    call = (*call, 1, "--runs", data / "r.jsonl", "--seeds", "0,1")
    jobs, line = asked(*call), script("inside").line
    assert len(jobs) == 4
    write(data / "r.jsonl", *(line(*job) | {"after": None} for job in jobs[:3]))
    assert [job[1:] for job in asked(*call)] == [job[1:] for job in jobs[3:]]
    for option, value, told in (
        ("--lr", 3e-5, "lr 3e-05"), ("--steps", 9, "steps 9"), ("--batch", 8, "batch 8"), ("--every", 7, "every 7"),
        ("--ranks", 5, "ranks 5"), ("--pairs", 3, "pairs 3"), ("--start", data / "other", "start "),
    ):  # fmt: skip
        assert f"this call gives {told}" in refused(*call, option, value)
    write(data / "r.jsonl", *(line(*job) | {"after": None} for job in jobs if "regression" in job[1]))
    assert [job[1] for job in asked(*call, "--lr", 3e-5)] == ["simcse", "simcse"]  # the other has a rate of its own


def test_graphs_know_a_run_by_all_that_decides_it(script, asked, refused, data):
    call = ("graphs", "--data", data, "--sets", "MUTAG", "--arms", "untrained,graphcl", "--seeds", 0, "--workers", 1)
    call = (*call, "--runs", data / "r.jsonl")
    jobs, line = asked(*call), script("graphs").line
    assert len(jobs) == 2
    write(data / "r.jsonl", *(line(*job) | {"scores": {}} for job in jobs))
    assert asked(*call, "--protocols", "pygcl,graphcl") == []
    for option, told in (
        (("--epochs", 3), "this call gives epochs 3.0 for MUTAG graphcl"),
        (("--steps", 3), "this call gives epochs null for MUTAG graphcl"),
        (("--scaled",), "this call gives scaled true for MUTAG untrained"),
        (("--protocols", "pygcl"), 'this call gives protocols ["pygcl"] for MUTAG untrained'),
    ):
        assert told in refused(*call, *option)
    write(data / "r.jsonl", {"set": "MUTAG", "arm": "graphcl", "seed": 0, "steps": 30, "scores": {}})
    assert "steps 30; give these" in refused(*call, "--steps", 3)
    assert [job[2] for job in asked(*call)] == ["untrained"]


@pytest.mark.parametrize(("name", "baseline"), [("nli", "lr3"), ("inside", "simcse")])
def test_the_results_that_are_kept_are_read(script, name, baseline, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", [name, "--table", str(BENCHMARKS / "results" / f"{name}.jsonl"), "--baseline", baseline]
    )
    script(name).main()
    out = capsys.readouterr().out
    assert '"n": 5' in out
    assert "diverged" not in out


def test_fewer_test_pairs_are_evenly_spaced_and_those_of_dev_are_all_there(script, tmp_path):
    rows = [{"sentence1": f"a {i}", "sentence2": f"b {i}", "score": i % 5, "split": "test"} for i in range(10)]
    dev = [{**row, "sentence1": f"dev {i}", "split": "dev"} for i, row in enumerate(rows[:3])]
    (tmp_path / "sts").mkdir()
    for name in ("sts12", "sts13", "sts14", "sts15", "sts16", "sickr", "stsb"):
        write(tmp_path / "sts" / f"{name}.jsonl", *rows, *dev)
    looks = script("looks")
    whole, some = ({task.name: task for task in looks.tasks(tmp_path, n)} for n in (None, 4))
    firsts = [text for text in some["stsb"].texts if not text.startswith("b")]
    assert firsts == ["a 0", "a 3", "a 6", "a 9", "dev 0", "dev 1", "dev 2"]
    assert len(whole["stsb"].texts) == 26
    asked = {id(task) for name, task in some.items() if not name.startswith("mean")}
    assert {id(task) for task in some["mean of 7"].there.values()} == asked
    assert looks.SEVEN == "mean_of_7_spearman"


def test_a_smaller_encoder_has_the_blocks_that_were_named_in_their_order(script):
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    small = BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16)
    encoder = type("Encoder", (), {"network": BertModel(small)})()
    there = list(encoder.network.encoder.layer)
    with pytest.raises(SystemExit, match="block 4 is not there: the model has blocks 0 to 3"):
        script("fewer_blocks").keep(encoder, [0, 4])
    assert list(encoder.network.encoder.layer) == there
    script("fewer_blocks").keep(encoder, [3, 1])
    assert list(encoder.network.encoder.layer) == [there[3], there[1]]
    assert encoder.network.config.num_hidden_layers == 2


# ---------------------------------------------------------------- seeds that diverged


def test_a_table_of_the_inside_counts_the_seeds_that_diverged(script, tmp_path, monkeypatch, capsys):
    good = {"arm": "simcse", "before": scored(40.0), "after": scored(50.0), "curve": [{"step": 1, "rank": 3.0}]}
    rows = [{**good, "seed": 0}, {**good, "seed": 1, "after": None}, {"arm": "mixcse", "seed": 0, "after": None}]
    file = write(tmp_path / "r.jsonl", *rows)
    monkeypatch.setattr(sys, "argv", ["inside", "--table", str(file)])
    script("inside").main()
    lines = capsys.readouterr().out.splitlines()
    found = {arm: json.loads(row) for arm, row in zip(lines[::2], lines[1::2], strict=True)}
    assert (found["simcse"]["n"], found["simcse"]["diverged"]) == (1, 1)
    assert found["mixcse"] == {"n": 0, "diverged": 1}
    monkeypatch.setattr(sys, "argv", ["inside_claims", str(file)])
    script("inside_claims").main()
    assert "simcse: 1 of 2 seeds diverged" in capsys.readouterr().out


def test_a_corpus_is_told_by_the_seeds_that_were_asked_it(script, tmp_path, monkeypatch, capsys):
    run = {"arm": "crop@bbc_news", "before": {**scored(40.0), "knn": {"arxiv_lite": 60.0, "bbc_news": 70.0}}}
    run |= {"after": scored(50.0), "curve": [{"step": 1, "rank": 3.0}]}
    runs = [{**run, "seed": 0, "knn": {"bbc_news": 80.0}}]
    runs += [{**run, "seed": s, "knn": {"arxiv_lite": 61.0, "bbc_news": 79.0 + s}} for s in (1, 2)]
    file = write(tmp_path / "r.jsonl", *runs)
    monkeypatch.setattr(sys, "argv", ["inside", "--table", str(file)])
    script("inside").main()
    row = json.loads(capsys.readouterr().out.splitlines()[1])
    assert (row["bbc_news"], row["arxiv_lite"]) == (80.33, 61.0)
    monkeypatch.setattr(sys, "argv", ["inside_claims", str(file)])
    script("inside_claims").main()
    out = capsys.readouterr().out
    assert "10: crop@bbc_news judged on arxiv_lite: gain +1.00 [+1.00, +1.00] (2 seeds)" in out
    assert "10: crop@bbc_news judged on bbc_news: gain +10.33" in out


def test_runs_of_two_files_that_bear_one_name_and_have_other_settings_are_not_mixed(refused, tmp_path):
    run = {"arm": "simcse", "after": scored(50.0), "curve": [{"step": 1, "rank": 3.0}]}
    files = [
        write(tmp_path / f"{steps}.jsonl", {**run, "seed": 0, "settings": {"steps": steps, "lr": 1e-4}})
        for steps in (48, 300)
    ]
    assert "runs of simcse with other steps are in two files; give each for itself" in refused("inside_claims", *files)


# ---------------------------------------------------------------- claims


def printed(script, monkeypatch, capsys, name, *options):
    monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
    script(name).main()
    return capsys.readouterr().out


def test_claims_of_graphs_are_differences_by_seed_of_one_protocol(script, tmp_path, monkeypatch, capsys):
    scores = {
        "graphcl": 75, "untrained": 72, "untrained:calibrated=true": 71, "untrained:readout=last": 70,
        **{f"graph_deep_augmentation:perturb_layer={i}:perturb_gradient=stop": 70 + i for i in range(5)},
        **{f"graph_deep_augmentation:perturb_layer={i}:perturb_gradient=pass": 68 + i for i in range(5)},
        **{
            f"graph_deep_augmentation:perturb_layer={i}:perturb_noise=pca:perturb_component=1:perturb_gradient=stop": 71
            for i in (1, 2, 3)
        },
    }  # fmt: skip
    runs = [
        {"set": "MUTAG", "arm": arm, "seed": seed, "scores": {"graphcl": score + 5 * seed, "pygcl": 50}}
        for arm, score in scores.items()
        for seed in (0, 1)
    ]
    out = printed(script, monkeypatch, capsys, "graph_claims", write(tmp_path / "r.jsonl", *runs))
    assert "graphcl: 77.50 ± 3.54 (2 seeds)" in out
    assert "36: graphcl less published -9.30" in out
    assert "36: graphcl less untrained +3.00 [+3.00, +3.00] (2 seeds)" in out
    assert "layer 3 less layer 0, stop +3.00" in out
    assert "36: graphcl less untrained:calibrated=true +4.00 [+4.00, +4.00] (2 seeds)" in out
    assert "layer 2, stop, less untrained:readout=last +2.00" in out
    assert "stop less pass, mean of layers 1 to 4 +2.00" in out
    assert "first direction less dropout, stop, mean of layers 1 to 3 -1.00" in out
    assert "17:" not in out
    told = [run | {"alike": 0.5 + 0.1 * (run["arm"] == "graphcl"), "layers": [50, 60 + run["seed"]]} for run in runs]
    out = printed(script, monkeypatch, capsys, "graph_claims", write(tmp_path / "a.jsonl", *told))
    assert "graphcl less untrained:calibrated=true +0.1000" in out
    assert "by layer, graphcl: 50.0, 60.5" in out


def test_a_calibrated_network_has_the_means_that_its_norms_see_and_has_not_learned(script):
    from diptych.data.graphs.corpus import graphs
    from diptych.encoders.graph.network import GraphNetwork

    corpus = graphs("families:n=20:nodes=12:degree=2")
    plain, seen = (GraphNetwork(corpus.features, width=4) for _ in range(2))
    script("graphs").calibrated(seen, corpus)
    states = []
    for block in seen.eval().blocks:
        block.conv.register_forward_hook(lambda _, __, out: states.append(out.relu()))
    seen.embed(corpus.items)
    for block, x in zip(seen.blocks, states, strict=True):
        assert np.allclose(block.norm.running_mean, x.mean(0), atol=0.02 * float(x.abs().max()))
    weights = zip(plain.parameters(), seen.parameters(), strict=True)
    assert all(np.array_equal(a.detach(), b.detach()) for a, b in weights)


def test_claims_of_pictures_say_how_a_gap_shrinks_and_what_noise_costs(script, tmp_path, monkeypatch, capsys):
    def run(corpus, arm, seed, linear):
        same = {"linear": linear + 5 * seed, "weighted_knn": 1.0, "invariance": 0.5}
        return {"corpus": corpus, "arm": arm, "seed": seed, "before": {**same, "linear": 20 + 5 * seed}, "after": same}

    arms = [("cifar:20000", "original", 50), ("cifar:20000", "crop", 49), ("cifar:1000", "original", 40)]
    arms += [("cifar:1000", "crop", 37)]
    runs = [run(c, f"simclr:augmentation={arm}", s, score) for c, arm, score in arms for s in (0, 1)]
    runs += [run(c, f"simclr:augmentation={arm}:times=10", s, 2 * score) for c, arm, score in arms for s in (0, 1)]
    named = {"simclr": 40, **{f"simclr:perturb_layer={i}:perturb_gradient=stop": 38 + i for i in range(1, 5)}}
    named |= {f"simclr:perturb_layer={i}:perturb_gradient=pass": 37 + i for i in range(1, 5)}
    runs += [run("cifar:1000", arm, s, score) for arm, score in named.items() for s in (0, 1)]
    out = printed(script, monkeypatch, capsys, "image_claims", write(tmp_path / "r.jsonl", *runs))
    assert "simclr cifar:1000: original less untrained +20.00 [+20.00, +20.00] (2 seeds)" in out
    gap = "31: the gap of simclr:augmentation=original{} at cifar:1000 less that at cifar:20000: {} (2 seeds); there {}"
    assert gap.format("", "+2.00 [+2.00, +2.00]", "+1.00 [+1.00, +1.00]") in out
    assert gap.format(":times=10", "+4.00 [+4.00, +4.00]", "+2.00 [+2.00, +2.00]") in out
    assert "perturb_layer=3:perturb_gradient=stop less simclr +1.00" in out
    assert "14 cifar:1000: stop less pass, mean of stages +1.00" in out


def test_what_choose_says_of_several_files_is_joined_by_run(script, tmp_path, monkeypatch, capsys):
    def told(file, scores):
        lines = [
            {"run": "seed-0", "step": step, "folder": "f", "effective_rank": step, "alignment": step, "knn": knn}
            for step, knn in enumerate(scores, 1)
        ]
        (tmp_path / file).write_text(json.dumps({"checkpoints": lines}))
        return str(tmp_path / file)

    files = ",".join([told("a", [0.1, 0.2, 0.3]), told("b", [0.3, 0.2, 0.1])])
    lines = printed(script, monkeypatch, capsys, "choosing", f"static={files}").splitlines()
    assert lines[0] == "static: knn, 2 runs, 6 checkpoints; best less worst of a run 0.200"
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:]}
    assert rows["effective_rank"] == "+0.00 ± 1.41 (2)  lost 0.100"
    assert rows["alignment"] == "+0.00 ± 1.41 (2)  lost 0.100"
    only = printed(script, monkeypatch, capsys, "choosing", f"static={tmp_path / 'a'}").splitlines()
    assert "+1.00 ± - (1)  lost 0.000" in only[5]
    assert "-1.00 ± - (1)  lost 0.200" in only[2]


def tried(**rates):
    return {("m", arm): {seed: {"after": x and scored(x)} for seed, x in enumerate(dev)} for arm, dev in rates.items()}


def test_a_rate_at_which_a_seed_diverged_is_not_chosen_unless_all_did(script):
    best = script("nli").best
    assert best(tried(default=[50, 51], lr4=[60, 61], lr3=[None, 90]), "m", False) == 5e-4
    assert best(tried(default=[50, None], lr4=[60, None], lr3=[90, None]), "m", False) == 5e-3
    assert best(tried(default=[50, 51], lr4=[None, None]), "m", False) == 5e-5
    with pytest.raises(SystemExit, match="did not diverge; run full, full4, full3 first"):
        best(tried(full=[None]), "m", True)


# ---------------------------------------------------------------- folders

NONE = "{none}"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("nli", (), "--data FOLDER is needed, with nli/snli_triplets.jsonl, sts, models/"),
        ("nli", ("--data", NONE), "--data {none}: there is no such folder"),
        ("nli", ("--data", "{empty}"), "--data {empty}: there is no nli/snli_triplets.jsonl in this folder"),
        ("nli", ("--data", "{data}", "--suites", "probing"), "there is no senteval/probing in this folder"),
        ("nli", ("--data", "{data}", "--models", "tiny"), "--start MODEL is needed"),
        ("nli", ("--data", "{data}", "--models", "tiny", "--start", NONE), "--start {none}: there is no folder {none}"),
        ("nli", ("--data", "{data}", "--runs", "{none}/r.jsonl"), "--runs {none}/r.jsonl: there is no folder {none}"),
        ("nli", ("--data", "{data}", "--runs", "{data}"), "--runs {data}: that is a folder, and a file"),
        ("nli", ("--table", NONE), "--table {none}: there is no such file"),
        ("inside", ("--data", NONE), "--data {none}: there is no such folder"),
        ("inside", ("--data", "{data}"), "--start MODEL is needed"),
        ("inside", ("--data", "{data}", "--start", NONE), "--start {none}: there is no folder"),
        ("inside", ("--data", "{data}", "--start", "{data}/start", "--runs", "{none}/r"), "there is no folder {none}"),
        ("inside", ("--table", NONE), "--table {none}: there is no such file"),
        ("inside_claims", (NONE,), "FILE {none}: there is no such file"),
        ("graph_claims", (NONE,), "FILE {none}: there is no such file"),
        ("image_claims", (NONE,), "FILE {none}: there is no such file"),
        ("choosing", (f"static={NONE}",), "static {none}: there is no such file"),
        ("choosing", (NONE,), "{none}: NAME=FILE is needed"),
        ("graphs", ("--data", "{data}", "--sets", "MUTAG,COLLAB"), "there is no graphs/COLLAB.npz in this folder"),
        ("graphs", ("--data", "{data}", "--sets", "MUTAG", "--runs", "{none}/r"), "there is no folder {none}"),
        ("graphs", ("--table", NONE), "--table {none}: there is no such file"),
        ("graph_training", ("--corpus", NONE), "--corpus {none}: there is no such corpus"),
        ("crops", ("--data", NONE), "--data {none}: there is no such folder"),
        ("crops", ("--data", "{empty}", "--corpora", "bbc_news"), "there is no bbc_news.* in this folder"),
        ("crops", ("--data", "{data}/text", "--corpora", "bbc_news", "--reference", NONE), "--reference {none}: there"),
        ("claims", ("--data", "{empty}", "--parts", "dial,rates"), "there is no iclr2021_papers.* in this folder"),
        ("same_learning", ("--data", "{empty}"), "there is no arxiv_lite.* in this folder"),
        ("pretraining", (NONE, "lr=1"), "FILE {none}: there is no such file"),
        ("image_views", ("--kornia", "{empty}"), "--kornia {empty}: there is no kornia in this folder"),
    ],
)
def test_what_is_missing_is_said_in_a_line(refused, data, name, options, told):
    (data / "empty").mkdir()
    places = {"none": data / "none", "empty": data / "empty", "data": data}
    assert told.format(**places) in refused(name, *(option.format(**places) for option in options))


def test_crops_that_were_made_with_other_settings_are_made_again(script, tmp_path):
    results = script("arms").Results(tmp_path / "r.jsonl")
    few, many = ({"encoder": "tiny", "dim": None, "batch": None, "steps": steps} for steps in (200, None))
    for settings, knn in ((few, 1.0), (many, 2.0)):
        for arm in ("crop", "dropout"):
            key = {"corpus": "c", "seed": 0, "arm": arm, "folds": None}
            results.once(key | settings, lambda knn=knn: {"knn": knn, "seconds": 3.0})
    assert [row["knn"] for row in results.rows] == [1.0, 1.0, 2.0, 2.0]
    assert "| c | 1.0 | 1.0 |" in script("crops").table(results, ["c"], few, None)
    assert "| c | 2.0 | 2.0 |" in script("crops").table(results, ["c"], many, None)
