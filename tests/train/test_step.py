import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy import Sentences, recipe

from diptych.core import Machine, Objective, Perturb, Teacher, View
from diptych.objectives.infonce import InfoNCE
from diptych.train import loop
from diptych.train.batches import ahead, samples, work
from diptych.train.step import backward, follow
from diptych.views.input.text.crop import Crop
from diptych.views.network.dropout import Dropout
from diptych.views.network.pca import RemovePrincipal

CROPS = [View(transform=Crop())] * 2
DEEP = [View(transform=Crop(), perturb=Perturb(1, Dropout(0.5)))] * 2
ONE_DEEP = [View(transform=Crop()), View(transform=Crop(), perturb=Perturb(2, Dropout(0.5), 0.7, "pass"))]


class Follow(Objective):
    """The student's view is close to the teacher's other view."""

    paper = "arXiv:2006.07733"

    def forward(self, views, teacher):
        student, target = views["view"][0].projection, teacher["view"][0].projection
        return {"follow": 1 - F.cosine_similarity(student, target).mean()}


def headed(views, objective, **settings):
    torch.manual_seed(5)
    return recipe(views, objective, head=nn.Linear(16, 8), **settings)


def gradients(views, objective, tokens, graph=1 << 40, dropout=0.0, teacher=False):
    r = headed(views, objective, dropout=dropout)
    helper = copy.deepcopy(r.model) if teacher else None
    if helper:
        nn.init.normal_(helper.head.weight, generator=torch.Generator().manual_seed(3))
    w = work(r, 0, Machine(tokens=tokens))
    torch.manual_seed(1)
    terms, _ = backward(r.model, objective, r.views, w, helper, graph=graph)
    found = {name: p.grad.clone() for name, p in r.model.named_parameters() if p.grad is not None}
    return found, terms, len(w.model)


def assert_close(a, b):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-5, atol=1e-5 * float(a[name].abs().max()))


@pytest.mark.parametrize("views", [CROPS, DEEP, ONE_DEEP], ids=["crops", "deep", "one view deep"])
@pytest.mark.parametrize("graph", [1 << 40, 0], ids=["one graph", "encoded twice"])
@pytest.mark.parametrize("tokens", [1, 20, 60])
def test_the_gradient_does_not_depend_on_the_micro_batch(views, graph, tokens):
    whole, _, _ = gradients(views, InfoNCE(), 1 << 40)
    parts, _, count = gradients(views, InfoNCE(), tokens, graph)
    assert count > 3
    assert_close(whole, parts)


def test_the_gradient_is_that_of_the_plain_computation():
    r = headed(CROPS, InfoNCE(0.1))
    found, terms, _ = gradients(CROPS, InfoNCE(0.1), 30)
    crops = [[Crop()(r.data[i]["text"], draw(r, i, v)) for i in samples(r, 0).tolist()] for v in range(2)]
    a, b = (F.normalize(r.model(r.model.encoder.collate(c)).projection, dim=1) for c in crops)
    loss = F.cross_entropy(a @ b.T / 0.1, torch.arange(8))
    loss.backward()
    torch.testing.assert_close(loss.detach(), terms["infonce"])
    assert_close(found, {name: p.grad for name, p in r.model.named_parameters()})


def draw(r, i, v):
    from diptych.core import Draw

    return Draw(r.seed, 0, i, v)


def test_the_networks_own_dropout_is_replayed_when_encoding_twice():
    kept, _, _ = gradients(CROPS, InfoNCE(), 30, dropout=0.3)
    twice, _, _ = gradients(CROPS, InfoNCE(), 30, graph=0, dropout=0.3)
    assert_close(kept, twice)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_nothing_at_or_below_a_stopped_layer_learns_when_every_sample_is_touched(layer):
    views = [View(transform=Crop(), perturb=Perturb(layer, Dropout(0.5), fraction=1.0))] * 2
    found, _, _ = gradients(views, InfoNCE(), 40)
    below = {
        "encoder.table.weight",
        *(f"encoder.blocks.{i}.0.{k}" for i in range(layer) for k in ("weight", "bias")),
    }
    learns = {name for name, grad in found.items() if grad.abs().sum() > 0}
    assert not learns & below
    assert "head.weight" in learns


def test_an_untouched_sample_passes_its_gradient():
    views = [View(transform=Crop(), perturb=Perturb(2, Dropout(0.5), fraction=0.5))] * 2
    found, _, _ = gradients(views, InfoNCE(), 40)
    assert found["encoder.table.weight"].abs().sum() > 0


def test_a_perturbed_layer_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ValueError, match=r"0\.\.3 for this model; got 9"):
        gradients([View(transform=Crop(), perturb=Perturb(9, Dropout(0.5)))] * 2, InfoNCE(), 40)


def test_no_hook_is_left_behind():
    r = recipe(DEEP, InfoNCE())
    backward(r.model, r.objective, r.views, work(r, 0, Machine()))
    assert not any(layer._forward_hooks for layer in r.model.layers)


@pytest.mark.parametrize("tokens", [25, 1 << 40])
def test_a_teacher_encodes_its_views_and_learns_nothing(tokens):
    views = [View(transform=Crop()), View(transform=Crop(), by="teacher")]
    whole, _, _ = gradients(views, Follow(), 1 << 40, teacher=True)
    parts, terms, _ = gradients(views, Follow(), tokens, graph=0, teacher=True)
    assert_close(whole, parts)
    assert terms["follow"] > 0


def test_a_teacher_moves_by_one_minus_its_momentum():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    expected = 0.9 * a.weight.detach() + 0.1 * b.weight.detach()
    follow(a, b, 0.9)
    torch.testing.assert_close(a.weight, expected)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_does_not_change_the_views(workers):
    def batches(workers):
        r = recipe(CROPS, InfoNCE())
        return [m.batch for w in ahead(r, Machine(tokens=50, workers=workers), 0) for m in w.model]

    alone, many = batches(0), batches(workers)
    assert len(alone) == len(many)
    for a, b in zip(alone, many, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_every_sample_is_seen_once_in_an_epoch_and_no_sample_twice_in_a_step():
    r = recipe(CROPS, InfoNCE(), steps=6)
    epochs = [[i for step in range(e * 3, e * 3 + 3) for i in samples(r, step).tolist()] for e in range(2)]
    assert [sorted(e) for e in epochs] == [list(range(24))] * 2
    assert epochs[0] != epochs[1]


def test_padding_is_below_a_tenth():
    r = recipe(CROPS, InfoNCE(), batch=24)
    w = work(r, 0, Machine())
    assert w.tokens <= w.computed < 1.1 * w.tokens
    assert w.computed == sum(m.batch["ids"].numel() for m in w.model)
    assert w.tokens == sum(int(m.batch["real"].sum()) for m in w.model)


@pytest.mark.parametrize("unit", ["row", "pair", "batch"])
def test_what_is_touched_is_a_row_a_pair_or_a_batch(unit):
    perturb = Perturb(1, Dropout(0.5), 0.5, unit=unit)
    r = headed([View(transform=Crop(), perturb=perturb)] * 2, InfoNCE(), batch=12, steps=60)
    touched = []
    for step in range(40):
        found = torch.zeros(24, dtype=torch.bool)
        for micro in work(r, step, Machine(tokens=20)).model:
            h = torch.ones(len(micro.place), 1, 64)
            found[micro.place] = (perturb(h, micro.batch) != h).flatten(1).any(1)
        touched.append(found.view(2, 12))
    touched = torch.stack(touched)
    assert 0.25 < float(touched.float().mean()) < 0.75
    agree = bool((touched[:, 0] == touched[:, 1]).all())
    constant = bool((touched.flatten(1) == touched.flatten(1)[:, :1]).all())
    assert (agree, constant) == {"row": (False, False), "pair": (True, False), "batch": (True, True)}[unit]


def test_a_noise_that_looks_at_the_batch_sees_all_of_it():
    views = [View(transform=Crop(), perturb=Perturb(1, RemovePrincipal(1)))] * 2
    whole, _, one = gradients(views, InfoNCE(), 1 << 40)
    parts, _, count = gradients(views, InfoNCE(), 20)
    assert (one, count) == (1, 1)
    assert_close(whole, parts)


def test_a_compiled_model_is_still_perturbed():
    r = headed(DEEP, InfoNCE(), dropout=0.0)
    batch = work(r, 0, Machine()).model[0].batch
    for block in r.model.encoder.blocks:
        block.compile(backend="eager")
    with torch.no_grad():
        clean = r.model(batch).embedding  # compiles, before there is any hook
        for _ in range(2):
            noisy = r.model(batch, Perturb(1, Dropout(0.5), 1.0)).embedding
            assert not torch.allclose(noisy, clean)
        assert torch.equal(r.model(batch).embedding, clean)


def test_blocks_that_are_compiled_are_stopped_at():
    r = headed(CROPS, InfoNCE())
    batch = work(r, 0, Machine()).model[0].batch
    with torch.no_grad():
        plain = r.model(batch, keep=1).tokens
        for block in r.model.encoder.layers[1:]:
            block.compile(backend="eager")
        whole = r.model(batch).embedding
        torch.testing.assert_close(r.model(batch, keep=1).tokens, plain)
        torch.testing.assert_close(r.model(batch).embedding, whole)


def test_a_model_that_is_compiled_as_a_whole_is_not_perturbed_in_silence():
    r = headed(DEEP, InfoNCE(), dropout=0.0)
    r.model.encoder.compile(backend="eager")
    with pytest.raises(ValueError, match="compile its blocks one by one"):
        r.model(work(r, 0, Machine()).model[0].batch, Perturb(1, Dropout(0.5), 1.0))


class Gold(Objective):
    """Reads what the data say."""

    paper = "none"

    def forward(self, views, teacher):
        (told,) = views["target"]
        first, second = (encoded.projection for encoded in views["view"])
        cosine = F.cosine_similarity(first, second)
        return {"gold": (cosine - told.embedding[:, 0]).square().mean()}


class Scored(Sentences):
    def __getitem__(self, i):
        return super().__getitem__(i) | {"score": i / 24}


def test_numbers_of_the_data_come_in_the_order_of_the_samples():
    views = [View(transform=Crop()), View("target", "score", by="data"), View(transform=Crop())]
    r = headed(views, Gold(), data=Scored())
    w = work(r, 0, Machine(tokens=30))
    assert len(w.model) > 2
    _, seen = backward(r.model, r.objective, r.views, w)
    assert seen["target"][0].embedding[:, 0].tolist() == pytest.approx([i / 24 for i in samples(r, 0).tolist()])
    whole = headed(views, Gold(), data=Scored())
    backward(whole.model, whole.objective, whole.views, work(whole, 0, Machine()))
    assert_close(*({n: p.grad for n, p in x.model.named_parameters()} for x in (r, whole)))


class Reads(Objective):
    """Keeps what the teacher gives."""

    paper = "none"

    def forward(self, views, teacher):
        self.seen = teacher["view"][0]
        return {"one": views["view"][0].projection.square().mean()}


def test_a_teacher_is_asked_for_the_hidden_states_of_a_layer():
    r = headed([View(transform=Crop(), by="both")], Reads(), dropout=0.4)
    helper = copy.deepcopy(r.model).eval()
    w = work(r, 0, Machine(tokens=25))
    assert len(w.teacher) > 2
    backward(r.model, r.objective, r.views, w, helper, keep=1)
    crops = [Crop()(r.data[i]["text"], draw(r, i, 0)) for i in samples(r, 0).tolist()]
    tokens, labels = r.objective.seen.tokens, r.objective.seen.labels
    assert tokens.shape == (8, max(len(c.ids) for c in crops), 16)
    assert bool((labels == -100).all())
    for i, crop in enumerate(crops):
        h = helper.encoder.blocks[0](helper.encoder.table(torch.as_tensor(crop.ids)))
        torch.testing.assert_close(tokens[i, : len(h)], h)


def test_a_teacher_may_share_the_head_and_encode_without_dropout():
    r = headed(CROPS, InfoNCE(), dropout=0.4)
    own, shared = (loop._teacher(r.model.train(), Teacher(0.9, head=head, dropout=False)) for head in ("own", "shared"))
    assert shared.head is r.model.head
    assert own.head is not r.model.head
    assert r.model.head.weight.requires_grad
    assert not any(p.requires_grad for p in [*shared.encoder.parameters(), *own.parameters()])
    assert r.model.encoder.training
    before = r.model.head.weight.clone()
    batch = work(r, 0, Machine()).model[0].batch
    assert torch.equal(shared(batch).embedding, shared(batch).embedding)
    with torch.no_grad():
        r.model.encoder.table.weight.add_(1)
    follow(shared, r.model, 0.5)
    torch.testing.assert_close(shared.encoder.table.weight, r.model.encoder.table.weight - 0.5)
    assert torch.equal(r.model.head.weight, before)


def test_without_a_head_a_perturbed_embedding_is_what_is_compared_and_learned_from():
    """One view alone is perturbed behind the last layer, where embedding and projection are one tensor."""
    deep = Perturb(3, Dropout(0.5), 1.0, "pass")
    found = []
    for views in ([View(transform=Crop()), View(transform=Crop(), perturb=deep)], CROPS):
        r = recipe(views, Embeds())
        terms, _ = backward(r.model, r.objective, views, work(r, 0, Machine(tokens=30)))
        found.append((terms["embeds"], r.model.encoder.table.weight.grad))
    assert not torch.allclose(found[0][0], found[1][0])
    whole = recipe([View(transform=Crop()), View(transform=Crop(), perturb=deep)], Embeds())
    backward(whole.model, whole.objective, whole.views, work(whole, 0, Machine()))
    torch.testing.assert_close(whole.model.encoder.table.weight.grad, found[0][1], rtol=1e-4, atol=1e-6)


class Embeds(Objective):
    """Reads embeddings, as objectives with a head of their own do."""

    paper = "none"

    def forward(self, views, teacher):
        first, second = (encoded.embedding for encoded in views["view"])
        return {"embeds": (first - second).square().sum(1).mean()}


@pytest.mark.parametrize("named", ["embedding", "projection"])
def test_a_gradient_of_either_name_reaches_a_model_without_a_head(named):
    class One(Objective):
        paper = "none"

        def forward(self, views, teacher):
            return {"one": getattr(views["view"][0], named).square().sum()}

    deep = Perturb(3, Dropout(0.5), 1.0, "pass")
    r = recipe([View(transform=Crop()), View(transform=Crop(), perturb=deep)], One())
    backward(r.model, r.objective, r.views, work(r, 0, Machine(tokens=30)))
    assert r.model.encoder.table.weight.grad.abs().sum() > 0


def test_a_teacher_without_dropout_is_not_perturbed_either():
    views = [View(transform=Crop(), perturb=Perturb(1, Dropout(0.5), 1.0), by="both")]
    r = headed(views, Reads(), dropout=0.4)
    w = work(r, 0, Machine())
    for training in (False, True):
        helper = copy.deepcopy(r.model).train(training)
        backward(r.model, r.objective, views, w, helper)
        micro = w.teacher[0]
        clean = copy.deepcopy(helper).eval()(micro.batch).projection
        assert torch.allclose(r.objective.seen.projection[micro.place], clean) != training


def test_a_layer_that_gradients_go_round_cannot_be_stopped(monkeypatch):
    r = headed(DEEP, InfoNCE())
    monkeypatch.setattr(type(r.model.encoder), "leaks", {1: "a path goes round it"})
    with pytest.raises(ValueError, match="round a stop at layer 1 of this network: a path"):
        backward(r.model, r.objective, r.views, work(r, 0, Machine()))
    backward(r.model, r.objective, ONE_DEEP, work(headed(ONE_DEEP, InfoNCE()), 0, Machine()))
