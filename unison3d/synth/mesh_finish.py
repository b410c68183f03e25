"""What is done to a fused mesh before it is a scan: labels, smoothing, dropping crumbs."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from unison3d.native import kernel

SLOTS = 6  # different labels that a vertex can collect


@kernel
def cast_votes(points, camera, intrinsics, depth, labels, slot_labels, slot_votes):
    """Let every vertex that an image shows vote for the label of its pixel.

    Args:
        points: float32, (V, 3).
        camera: float64, (3, 4), room to camera.
        intrinsics: float64, (3, 3).
        depth: float32, (H, W), as measured.
        labels: int32, (H, W), -1 is none.
        slot_labels: int32, (V, SLOTS), -1 is free; updated.
        slot_votes: float32, (V, SLOTS); updated.
    """
    height, width = depth.shape
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        cz = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
        if cz <= 0.1:
            continue
        cx = camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3]
        cy = camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]
        fu = intrinsics[0, 0] * cx / cz + intrinsics[0, 2] + 0.5
        fv = intrinsics[1, 1] * cy / cz + intrinsics[1, 2] + 0.5
        if not (fu >= 0 and fv >= 0 and fu < width and fv < height):
            continue
        u, v = int(fu), int(fv)
        label = labels[v, u]
        off = abs(depth[v, u] - cz)
        tolerance = 0.03 + 0.012 * cz
        if label < 0 or depth[v, u] <= 0 or off > tolerance:
            continue
        # A near view tells more than a far one.
        vote = (1.2 - off / tolerance) / (0.5 + cz)
        for k in range(SLOTS):
            if slot_labels[i, k] == label or slot_labels[i, k] < 0:
                slot_labels[i, k] = label
                slot_votes[i, k] += vote
                break


@kernel
def count_votes(slot_labels, slot_votes, group_of, winners):
    """The label with most votes within the group with most votes.

    Args:
        slot_labels: int32, (V, SLOTS).
        slot_votes: float32, (V, SLOTS).
        group_of: int32, (L,), group of every label.
        winners: int32, (V,), receives labels; -1 where nobody voted.
    """
    for i in range(len(slot_labels)):
        winners[i] = -1
        best_group, best = 0.0, 0.0
        for k in range(SLOTS):
            if slot_labels[i, k] < 0:
                break
            total = 0.0
            for j in range(SLOTS):
                label = slot_labels[i, j]
                if label >= 0 and group_of[label] == group_of[slot_labels[i, k]]:
                    total += slot_votes[i, j]
            if total > best_group or (total == best_group and slot_votes[i, k] > best):
                best_group, best = total, slot_votes[i, k]
                winners[i] = slot_labels[i, k]


@kernel
def smooth(points, faces, amount):
    """Move every vertex towards the mean of its neighbours; float32 (V, 3).

    Args:
        points: float32, (V, 3).
        faces: int32, (F, 3).
        amount: share of the way, 0 to 1.
    """
    total = np.zeros((len(points), 3), np.float64)
    count = np.zeros(len(points), np.int32)
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            for c in range(3):
                total[a, c] += points[b, c]
                total[b, c] += points[a, c]
            count[a] += 1
            count[b] += 1
    out = points.copy()
    for i in range(len(points)):
        if count[i] > 0:
            for c in range(3):
                out[i, c] += np.float32(amount * (total[i, c] / count[i] - points[i, c]))
    return out


def large_components(faces: np.ndarray, num_vertices: int, min_vertices: int) -> np.ndarray:
    """Vertices in connected pieces of a size; bool (V,).

    Args:
        faces: int32, (F, 3).
        num_vertices: V.
        min_vertices: smaller pieces are crumbs.
    """
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    ones = np.ones(len(ends), np.int8)
    graph = coo_matrix((ones, (ends[:, 0], ends[:, 1])), shape=(num_vertices, num_vertices))
    piece = connected_components(graph, directed=False)[1]
    return np.bincount(piece, minlength=1)[piece] >= min_vertices
