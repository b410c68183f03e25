"""Learned queries: what they are taught, what they answer, and the published way of both."""

from __future__ import annotations

import pytest
import torch
from test_models.oneformer3d_samples import learned_model, room

from unison3d.errors import ConfigError, SceneError, VocabularyError
from unison3d.models.losses import mask_iou
from unison3d.models.tasks.learned_targets import cell_targets
from unison3d.structures import SceneSample


def labelled(semantic, instances, owners) -> SceneSample:
    return SceneSample(
        gt_semantic=torch.tensor(semantic),
        gt_instances=torch.tensor(instances),
        gt_instance_semantic=torch.tensor(owners),
    )


class TestTargets:
    # Cells of 3, 2, 1 and 0 points.
    cells = torch.tensor([0, 0, 0, 1, 1, 2])

    def test_majority(self):
        sample = labelled([7, 7, 1, 7, 1, 13], [0, 0, -1, 0, -1, -1], [7])
        targets = cell_targets(sample, self.cells, 4, 13)
        assert targets.masks.tolist() == [[True, False, False, False]]
        # Half is no majority, and neither is nothing.
        assert targets.semantic.tolist() == [7, 13, 13, 13]

    def test_the_published_rule_wants_all_points(self):
        sample = labelled([7, 7, 1, 7, 7, 8], [0, 0, -1, 0, 0, 1], [7, 8])
        majority = cell_targets(sample, self.cells, 4, 13).masks
        integer_mean = cell_targets(sample, self.cells, 4, 13, 'all').masks
        assert majority.tolist() == [[True, True, False, False], [False, False, True, False]]
        assert integer_mean.tolist() == [[False, True, False, False], [False, False, True, False]]

    def test_without_instances(self):
        targets = cell_targets(labelled([1] * 6, [-1] * 6, []), self.cells, 4, 13)
        assert targets.masks.shape == (0, 4)

    def test_labels_have_to_be_there(self):
        with pytest.raises(SceneError, match='has no gt_semantic'):
            cell_targets(SceneSample(), self.cells, 4, 13)
        with pytest.raises(SceneError, match='5 labels for 6 points'):
            cell_targets(labelled([1] * 5, [-1] * 5, []), self.cells, 4, 13)


def losses_of(model, *rooms) -> dict[str, torch.Tensor]:
    batches, samples = zip(*rooms, strict=True)
    features = [model.encode(batch)[0] for batch in batches]
    outputs = [
        model.decode(scene, sample, all_layers=True)['closed_set']
        for scene, sample in zip(features, samples, strict=True)
    ]
    return model.tasks['closed_set'].loss(outputs, features, list(samples))


def test_rows_are_the_parameters():
    model = learned_model()
    batch, sample = room(model)
    rows = model.tasks['closed_set'].queries(model.encode(batch)[0], sample)
    assert rows.block.features is model.tasks['closed_set'].query.weight
    assert rows.block.features.shape == (5 + 13, 16)
    assert (rows.superpoints == -1).all()


def test_it_learns():
    model = learned_model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    totals = []
    batch = room(model)
    for _ in range(16):
        losses = losses_of(model, batch)
        assert losses.keys() == {'loss_instance', 'loss_score', 'loss_semantic'}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert totals[-1] < 0.5 * totals[0]
    model.eval()
    batch, sample = room(model)
    predicted = model.predict(batch, [sample])[0]
    assert (predicted.pred_semantic == sample.gt_semantic).float().mean() > 0.7


def test_semantic_term_by_hand():
    model = learned_model()
    batch, sample = room(model)
    sample.gt_semantic[:] = 13
    assert losses_of(model, (batch, sample))['loss_semantic'].item() == 0
    published = learned_model({'unlabelled': 'negative'})
    outputs = published.decode(published.encode(batch)[0], sample, all_layers=True)['closed_set']
    expected = sum(
        torch.nn.functional.softplus(layer.mask_logits[5:]).mean() for layer in outputs.layers
    )
    loss = losses_of(published, (batch, sample))['loss_semantic']
    torch.testing.assert_close(loss, 5.0 * expected)


def test_scores_learn_from_good_masks_alone():
    model = learned_model({'score_min_iou': 0.999})
    assert losses_of(model, room(model))['loss_score'].item() == 0
    model = learned_model({'score_min_iou': -1.0})
    batch, sample = room(model)
    features = model.encode(batch)[0]
    output = model.decode(features, sample, all_layers=True)['closed_set']
    task = model.tasks['closed_set']
    targets = cell_targets(sample, features.superpoints, features.num_superpoints, 13)
    expected = 0.0
    for layer in output.layers:
        rows = layer.rows(slice(5))
        queries, owners = task.matcher(
            rows.mask_logits,
            targets.masks,
            task.head.instance_logits(rows),
            targets.instance_semantic,
        )
        reached = mask_iou(rows.mask_logits[queries], targets.masks[owners])
        predicted = task.score_head(rows.embeddings[queries])[:, 0]
        expected = expected + torch.mean((predicted - reached) ** 2)
    loss = task.loss([output], [features], [sample])['loss_score']
    torch.testing.assert_close(loss, 0.5 * expected)


def test_scenes_without_instances_and_without_matches():
    model = learned_model()
    batch, sample = room(model)
    empty = SceneSample(
        gt_semantic=sample.gt_semantic,
        gt_instances=torch.full_like(sample.gt_instances, -1),
        gt_instance_semantic=sample.gt_instance_semantic[:0],
    )
    losses = losses_of(model, (batch, empty), room(model, seed=1))
    assert all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()
    model.zero_grad(set_to_none=True)
    sum(losses_of(model, (batch, empty)).values()).backward()
    # A parameter without a gradient in one process would stop a distributed run.
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_averages_over_the_batch():
    """Half of the scenes have objects: a mean over the batch is half of a mean over those."""
    parts = {}
    for average in ('supervised', 'batch'):
        options = {'class_loss_weight': 0.0, 'average': average}
        model = learned_model({'instance_loss': options})
        batch, sample = room(model)
        empty = sample.clone()
        empty.gt_instances = torch.full_like(sample.gt_instances, -1)
        empty.gt_instance_semantic = sample.gt_instance_semantic[:0]
        parts[average] = losses_of(model, (batch, sample), (batch, empty))['loss_instance']
    torch.testing.assert_close(parts['batch'], 0.5 * parts['supervised'])


def test_predictions_have_their_shapes():
    model = learned_model().eval()
    batch, sample = room(model)
    predicted = model.predict(batch, [sample])[0]
    num_points = len(sample.gt_semantic)
    for name in ('pred_semantic', 'pred_panoptic_semantic', 'pred_panoptic_instance'):
        assert predicted.get(name).shape == (num_points,)
    assert predicted.pred_instances.masks.shape[1] == num_points
    assert predicted.pred_semantic.max() < 13
    # Stuff carries its class, things numbers above all classes.
    stuff = torch.isin(predicted.pred_panoptic_semantic, torch.tensor([0, 1, 2, 3, 4, 5, 6, 12]))
    ids = predicted.pred_panoptic_instance
    assert torch.equal(ids[stuff], predicted.pred_panoptic_semantic[stuff])
    assert (ids[~stuff] >= 13).all()


def test_instances_follow_the_published_steps_one_by_one():
    options = {'topk': 20, 'min_points': 10, 'mask_threshold': 0.45, 'score_threshold': 0.001}
    model = learned_model({'postprocess': options}).eval()
    task = model.tasks['closed_set']
    batch, sample = room(model)
    with torch.no_grad():
        task.score_head[2].bias += 1.5  # scores above 0, and some above 1
        features = model.encode(batch)[0]
        final = model.decode(features, sample)['closed_set'].final
        model.predict_scene(features, sample)
        probability = task.head.out_cls(final.embeddings[:5]).softmax(1)[:, :-1].double()
        score = task.score_head(final.embeddings[:5])[:, 0].double()
    masks = final.mask_logits[:5].sigmoid().double()

    pairs = [(float(probability[q, c] * score[q]), q, c) for q in range(5) for c in range(13)]
    pairs = sorted(pairs, key=lambda pair: -pair[0])[:20]
    kept = []
    for value, query, label in pairs:
        inside = masks[query] > 0.01
        kept.append([value * float(masks[query][inside].mean()), query, label])
    kept.sort(key=lambda row: -row[0])

    def overlap(i: int, j: int) -> float:
        if kept[i][2] != kept[j][2]:
            return 0.0
        a, b = masks[kept[i][1]], masks[kept[j][1]]
        return float((a * b).sum() / (a.sum() + b.sum() - (a * b).sum()))

    worst = [max([overlap(i, j) for i in range(j)], default=0.0) for j in range(20)]
    expected = []
    for j, (value, query, label) in enumerate(kept):
        decay = min([1.0] + [(1 - overlap(i, j)) / (1 - worst[i]) for i in range(j)])
        mask = (masks[query] > 0.45)[features.superpoints]
        if value * decay > 0.001 and int(mask.sum()) > 10:
            expected.append((value * decay, label, mask))
    expected.sort(key=lambda row: -row[0])

    found = sample.pred_instances
    assert len(expected) > 3
    assert found.labels.tolist() == [label for _, label, _ in expected]
    scores = torch.tensor([value for value, _, _ in expected])
    torch.testing.assert_close(found.scores, scores, atol=1e-5, rtol=1e-4)
    assert torch.equal(found.masks, torch.stack([mask for _, _, mask in expected]))


def test_wrong_options():
    for options in ({'cell_rule': 'most'}, {'unlabelled': 'no'}, {'panoptic_stuff': (0, 13)}):
        with pytest.raises(ConfigError):
            learned_model(options)


class TestMixed:
    task = {
        'type': 'MixedLabelSetsTask',
        'label_spaces': ('structured3d', 'scannet20'),
    }

    def test_a_scene_gets_the_classes_it_names(self):
        model = learned_model(self.task)
        task = model.tasks['closed_set']
        shown = {}
        for name, classes in (('structured3d', 28), ('scannet20', 18)):
            batch, sample = room(model, label_space=name)
            label_set = task.label_set(sample)
            assert label_set.space.name == name
            assert label_set.head.out_cls[2].out_features == classes + 1
            model.eval().predict(batch, [sample])
            assert sample.get('pred_semantic') is None
            shown[name] = task.queries(model.encode(batch)[0], sample).block.features
        assert not torch.equal(shown['structured3d'], shown['scannet20'])

    def test_one_batch_of_both(self):
        model = learned_model(self.task)
        rooms = [room(model, i, label_space=n) for i, n in enumerate(self.task['label_spaces'])]
        losses = losses_of(model, *rooms)
        assert losses.keys() == {'loss_instance', 'loss_score'}
        sum(losses.values()).backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None]

    def test_a_batch_of_one_reaches_the_parameters_of_both(self):
        model = learned_model(self.task)
        losses = losses_of(model, room(model, label_space='scannet20'))
        sum(losses.values()).backward()
        other = model.tasks['closed_set'].queries_of['structured3d'].weight.grad
        assert other is not None
        assert not other.any()

    def test_who_does_not_say_is_refused_or_gets_the_default(self):
        model = learned_model(self.task)
        for meta, said in (
            ({}, 'a scene: names no label_space'),
            ({'name': 'area_1', 'label_space': 's3dis'}, "area_1: has the label_space 's3dis'"),
        ):
            batch, sample = room(model, **meta)
            with pytest.raises(ConfigError, match=f'{said}.*knows structured3d, scannet20'):
                model.predict(batch, [sample])
        task = learned_model({**self.task, 'default': 'scannet20'}).tasks['closed_set']
        assert task.label_set(SceneSample()).space.name == task.label_space.name == 'scannet20'
        with pytest.raises(ConfigError, match='expected one of'):
            learned_model({**self.task, 'default': 's3dis'})
        with pytest.raises(VocabularyError, match='"scannet21".*Known: .*scannet20'):
            learned_model({**self.task, 'label_spaces': ('scannet21',)})
