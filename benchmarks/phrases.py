"""Open phrases ("somewhere to sleep") on held-out procedural rooms: four ways to answer them.

    python benchmarks/phrases.py                 # 20 rooms, weights that ship
    python benchmarks/phrases.py --weights W.safetensors --num 5

*referring* reads the phrase as a sentence; *direct* compares its embedding with what the model saw;
*names* goes through names (``Segmenter.scores``); *ask* is what the field "Ask" of the browser
application shows. Phrases and what fits them are in ``phrase_list.py``: those of the column
"choice" were looked at when numbers were set.

AP50 ranks the objects of all rooms under one phrase: right is IoU > 0.5 with an object that fits
and is not taken; what is taken for an object that may be seen either way does not count. mIoU is
that of the points hotter than the threshold with those of all fitting objects, per room with some,
then per phrase. "none" is the share of the other rooms where at most 0.5 % of the points are hot.
Last, what "Ask" makes of the sentences of these rooms, which are no phrases.

The regression of ``unison3d/models/tasks/name_fits.py`` comes from ``--fit``, which needs no rooms.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from phrase_list import CHOICE, TESTING

from unison3d.apis import Segmenter
from unison3d.apis.phrase_scores import FITS
from unison3d.structures import PointScene
from unison3d.synth import make_scene
from unison3d.viewer.words import ask_sentence

PHRASES = {**CHOICE, **TESTING}
THRESHOLDS = {'referring': 0.5, 'direct': 0.2, 'names': FITS, 'ask': 0.5}


class Room:
    """Points per superpoint and thing: wall, floor, and the objects."""

    def __init__(self, made: object, superpoints: np.ndarray) -> None:
        self.names = ['wall', 'floor', *made.instance_names]
        thing = np.where(made.instances >= 0, made.instances + 2, made.semantic)
        known = (made.instances >= 0) | (made.semantic < 2)
        self.counts = np.zeros((superpoints.max() + 1, len(self.names)))
        np.add.at(self.counts, (superpoints[known], thing[known]), 1)

    def among(self, names: frozenset[str]) -> np.ndarray:
        """bool, of each thing."""
        return np.array([name in names for name in self.names])

    def ious(self, masks: np.ndarray) -> np.ndarray:
        """(M, things) of masks (M, S)."""
        shared = masks @ self.counts
        sizes = shared.sum(axis=1, keepdims=True)
        iou = shared / np.maximum(sizes + self.counts.sum(axis=0) - shared, 1)
        iou[:, :2] = 0  # nobody asks for an instance of the wall
        return iou


def matched(
    iou: np.ndarray, scores: np.ndarray, fits: np.ndarray, maybe: np.ndarray
) -> list[tuple[float, bool]]:
    """Score and truth of all masks that count in one room."""
    free, found = fits.copy(), []
    for row in np.argsort(-scores, kind='stable'):
        best = int((iou[row] * free).argmax())
        if free[best] and iou[row, best] > 0.5:
            free[best] = False
            found.append((scores[row], True))
        elif not (iou[row] * maybe).max() > 0.5:
            found.append((scores[row], False))
    return found


def average_precision(found: list[tuple[float, bool]], total: int) -> float:
    """Area under precision over recall, precision made monotonous."""
    right = np.array([truth for _, truth in sorted(found, key=lambda item: -item[0])], float)
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * right).sum() / total)


def answers(segmenter: Segmenter) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Masks (M, S), and by way the scores of masks (M, K) and superpoints (S, K)."""
    phrases = list(PHRASES)
    names, direct = segmenter.scores(phrases), segmenter.scores(phrases, direct=True)
    masks = names.masks.superpoint_masks.numpy()
    sentences = segmenter.predict('referring', texts=phrases)
    # The reader scores superpoints; its objects are the masks, so their mean is its score.
    read = sentences.sample.pred_text_scores.numpy().T
    share = masks / np.maximum(masks.sum(axis=1, keepdims=True), 1)
    meant = sentences.text_masks.superpoint_masks.numpy().T.astype(float)
    asked = [ask_sentence(segmenter, phrase, lambda mask: ()) for phrase in phrases]
    heat = np.stack([answer.heat for answer in asked], axis=1)
    hot = np.zeros_like(heat)
    for column, answer in enumerate(asked):
        hot[answer.superpoints[answer.mask], column] = 1
    return masks, {
        'referring': (share @ read, meant),
        'direct': (
            direct.instance_scores * names.masks.scores.numpy()[:, None],
            direct.superpoint_scores,
        ),
        'names': (names.instance_scores, names.superpoint_scores),
        'ask': (share @ heat, hot),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--num', type=int, default=20, help='rooms')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--weights', type=Path)
    parser.add_argument('--fit', action='store_true', help='fit how names fit phrases')
    args = parser.parse_args()
    segmenter = Segmenter.from_pretrained(args.weights)
    if args.fit:
        fit(segmenter)
        return
    ranked, totals = defaultdict(list), defaultdict(int)
    ious, none = defaultdict(list), defaultdict(list)
    sentences: list[dict] = []
    for seed in range(args.seed, args.seed + args.num):
        made = make_scene(seed, profile='rooms-v1')
        segmenter.set_scene(PointScene.from_arrays(made.points, made.colors))
        room = Room(made, segmenter.scene.superpoints)
        masks, ways = answers(segmenter)
        iou = room.ious(masks)
        for column, (phrase, (fits, maybe)) in enumerate(PHRASES.items()):
            fits, maybe = room.among(fits), room.among(maybe)
            totals[phrase] += int(fits[2:].sum())
            right = room.counts[:, fits].sum(axis=1)
            points = room.counts[:, ~maybe].sum(axis=1)
            for way, (objects, heat) in ways.items():
                ranked[way, phrase] += matched(iou, objects[:, column], fits, maybe)
                hot = heat[:, column] >= THRESHOLDS[way]
                if right.any():
                    union = right.sum() + (points - right)[hot].sum()
                    ious[way, phrase].append(right[hot].sum() / union)
                else:
                    none[way, phrase].append(points[hot].sum() <= 0.005 * points.sum())
        sentences += asked_sentences(segmenter, made, 'training')
        told = make_scene(seed, profile='rooms-v1', grammar='held-out')
        sentences += asked_sentences(segmenter, told, 'held-out')
        print(f'room {seed}: {len(made.points)} points, {len(masks)} masks', flush=True)
    print_tables(ranked, totals, ious, none)
    print('\n| sentences | number | answered as phrases | acc@0.5 referring | acc@0.5 ask |')
    print('| --- | ---: | ---: | ---: | ---: |')
    for grammar in ('training', 'held-out'):
        rows = [row for row in sentences if row['grammar'] == grammar]
        values = [np.mean([row[key] for row in rows]) for key in ('open', 'referring', 'ask')]
        cells = ' | '.join(f'{value:.3f}' for value in values)
        print(f'| {grammar} | {len(rows)} | {cells} |')


def asked_sentences(segmenter: Segmenter, told: object, grammar: str) -> list[dict]:
    """Whether each sentence is answered right, by the referring task alone and by "Ask"."""
    texts = [sentence.text for sentence in told.sentences]
    if not texts:
        return []
    read = segmenter.predict('referring', texts=texts).text_masks.superpoint_masks.numpy()
    rows = []
    for mask, sentence in zip(read, told.sentences, strict=True):
        truth = np.isin(told.instances, sentence.targets)
        asked = ask_sentence(segmenter, sentence.text, lambda mask: ())
        read_mask = mask[segmenter.scene.superpoints]
        right = [_iou(answer, truth) > 0.5 for answer in (read_mask, asked.mask)]
        rows.append(
            {'grammar': grammar, 'open': asked.open, 'referring': right[0], 'ask': right[1]}
        )
    return rows


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def print_tables(ranked: dict, totals: dict, ious: dict, none: dict) -> None:
    """Markdown: means over phrases, and each phrase through names."""
    print('\n| way | phrases | AP50 | mIoU | none |\n| --- | --- | ---: | ---: | ---: |')
    for way in THRESHOLDS:
        for label, table in (('choice', CHOICE), ('testing', TESTING)):
            present = [phrase for phrase in table if totals[phrase]]
            ap = [average_precision(ranked[way, p], totals[p]) for p in present]
            miou = [np.mean(ious[way, p]) for p in table if ious[way, p]]
            absent = np.concatenate([none[way, p] for p in table if none[way, p]])
            print(
                f'| {way} | {label} | {np.mean(ap):.3f} | {np.mean(miou):.3f} | '
                f'{absent.mean():.3f} |'
            )
    print('\n| phrase, through names | objects | AP50 | mIoU |\n| --- | ---: | ---: | ---: |')
    for phrase in PHRASES:
        if totals[phrase]:
            ap = average_precision(ranked['names', phrase], totals[phrase])
            miou = np.mean(ious['names', phrase])
            print(f'| {phrase} | {totals[phrase]} | {ap:.2f} | {miou:.2f} |')


def fit(segmenter: Segmenter) -> None:
    """Logistic regression of "fits" on the cosine, over the phrases to choose by."""
    task = segmenter.model.tasks['open_vocabulary']
    names = task.vocabulary
    things = task.encoder.encode_unit([f'a {name}' for name in names])
    mean = things.mean(dim=0)
    meant = F.normalize(task.encoder.encode_unit(list(CHOICE)) - mean, dim=1)
    cosines = meant @ F.normalize(things - mean, dim=1).T
    counts = torch.tensor([[name not in maybe for name in names] for _, maybe in CHOICE.values()])
    right = torch.tensor([[name in fits for name in names] for fits, _ in CHOICE.values()])
    x, y = cosines[counts].double(), right[counts].double()
    design = torch.stack([x, torch.ones_like(x)], dim=1)
    weights = torch.zeros(2, dtype=torch.float64)
    for _ in range(50):
        chance = (design @ weights).sigmoid()
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        weights -= torch.linalg.solve(curvature, design.T @ (chance - y))
    steepness, shift = weights.tolist()
    print(f'steepness {steepness:.1f}, middle {-shift / steepness:.3f}, {len(y)} pairs')


if __name__ == '__main__':
    main()
