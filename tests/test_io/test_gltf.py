"""glTF scenes: axes, transforms, colours, textures, and what is refused."""

from __future__ import annotations

import base64
import copy
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from tests.test_io.format_samples import COLORS, FACES, POINTS, gltf_content, make_glb, pack_glb
from unison3d.errors import FileFormatError
from unison3d.io import read_gltf
from unison3d.io.gltf_colors import linear_to_srgb, srgb_to_linear

#: The points of the sample with z up.
TURNED = POINTS[:, [0, 2, 1]] * [1, -1, 1]


def read(tmp_path, content: dict, body: bytes):
    (tmp_path / 'a.glb').write_bytes(pack_glb(content, body))
    return read_gltf(tmp_path / 'a.glb')


def with_block(content: dict, body: bytes, array: np.ndarray, code: int, **facts) -> bytes:
    """Append an array as a new accessor of the content."""
    kind = {1: 'SCALAR', 2: 'VEC2', 3: 'VEC3', 4: 'VEC4'}[array.shape[1]]
    block = array.tobytes() + bytes(-array.nbytes % 4)
    view = {'buffer': 0, 'byteOffset': len(body), 'byteLength': array.nbytes}
    content['bufferViews'].append(view)
    content['accessors'].append(
        {'bufferView': len(content['bufferViews']) - 1, 'componentType': code, 'type': kind,
         'count': len(array), **facts}
    )  # fmt: skip
    content['buffers'][0]['byteLength'] = len(body) + len(block)
    return body + block


def test_y_up_is_turned_and_colours_become_those_of_pictures(tmp_path):
    (tmp_path / 'a.glb').write_bytes(make_glb())
    scene = read_gltf(tmp_path / 'a.glb')
    np.testing.assert_allclose(scene.points, TURNED)
    np.testing.assert_array_equal(scene.faces, FACES)
    np.testing.assert_allclose(scene.colors, linear_to_srgb(COLORS / 255), atol=1e-6)
    assert scene.instance_ids is None and scene.normals is None


def test_srgb_and_back():
    colors = np.arange(256) / 255
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(colors)), colors, atol=1e-12)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.2140, abs=1e-4)


def test_buffers_inside_and_beside_the_document(tmp_path):
    content, body = gltf_content()
    inside = 'data:application/octet-stream;base64,' + base64.b64encode(body).decode()
    (tmp_path / 'part one.bin').write_bytes(body)
    for uri in (inside, 'part%20one.bin'):
        content['buffers'][0]['uri'] = uri
        (tmp_path / 'a.gltf').write_text(json.dumps(content))
        np.testing.assert_allclose(read_gltf(tmp_path / 'a.gltf').points, TURNED)


@pytest.mark.parametrize(
    'uri', ['../part.bin', '/etc/hostname', 'http://a.b/c', 'file:/x', '..\\x', 'C:/x', 'a/../../b']
)
def test_files_elsewhere_are_never_opened(tmp_path, uri):
    content, body = gltf_content()
    (tmp_path / 'part.bin').write_bytes(body)
    (tmp_path / 'deep').mkdir()
    content['buffers'][0]['uri'] = uri
    (tmp_path / 'deep' / 'a.gltf').write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match='outside'):
        read_gltf(tmp_path / 'deep' / 'a.gltf')


def test_node_transforms_go_down_the_tree(tmp_path):
    content, body = gltf_content()
    half = np.sqrt(0.5)
    # The child turns by 90 degrees around y and grows, its parent moves it; one more by matrix.
    content['nodes'] = [
        {'children': [1, 2], 'translation': [10, 20, 30]},
        {'mesh': 0, 'rotation': [0, half, 0, half], 'scale': [2, 2, 2]},
        {'mesh': 0, 'matrix': [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 7, 8, 9, 1]},
    ]
    scene = read(tmp_path, content, body)
    x, y, z = POINTS.astype(np.float64).T
    first = np.stack([2 * z, 2 * y, -2 * x], axis=1) + [10, 20, 30]
    second = np.stack([x, y, -z], axis=1) + [17, 28, 39]
    both = np.concatenate([first, second])
    np.testing.assert_allclose(scene.points, both[:, [0, 2, 1]] * [1, -1, 1], atol=1e-12)
    np.testing.assert_array_equal(scene.faces[3:], np.array(FACES) + 5)


def test_normals_follow_uneven_scales(tmp_path):
    content, body = gltf_content()
    normals = np.array([[1, 1, 0]] * 5, np.float32)
    body = with_block(content, body, normals, 5126)
    content['meshes'][0]['primitives'][0]['attributes']['NORMAL'] = 3
    content['nodes'][0]['scale'] = [2, 1, 1]
    normal = read(tmp_path, content, body).normals[0]
    # A plane x + y = c becomes x / 2 + y = c; y is our z.
    np.testing.assert_allclose(normal / np.linalg.norm(normal), np.array([1, 0, 2]) / np.sqrt(5))


@pytest.mark.parametrize(
    ('mode', 'faces'),
    [
        (5, [[0, 1, 2], [2, 1, 3], [2, 3, 4]]),
        (6, [[0, 1, 2], [0, 2, 3], [0, 3, 4]]),
        (4, [[0, 1, 2]]),
        (0, None),
    ],
)
def test_other_primitives(tmp_path, mode, faces):
    content, body = gltf_content()
    primitive = content['meshes'][0]['primitives'][0]
    primitive['mode'] = mode
    del primitive['indices']
    scene = read(tmp_path, content, body)
    assert len(scene) == 5
    if faces is None:
        assert scene.faces is None
    else:
        np.testing.assert_array_equal(scene.faces, faces)


def test_points_with_indices_lines_and_several_primitives(tmp_path):
    content, body = gltf_content()
    primitive = content['meshes'][0]['primitives'][0]
    plain = {'attributes': {'POSITION': 0}, 'mode': 0, 'indices': 2}
    content['meshes'][0]['primitives'] = [primitive, plain, {**plain, 'mode': 1}]
    scene = read(tmp_path, content, body)
    np.testing.assert_allclose(scene.points[5:], TURNED[np.array(FACES).reshape(-1)])
    assert (scene.colors[5:] == 1).all()  # white is what glTF shows there


def textured(tmp_path, uv: np.ndarray, sampler: dict | None = None, **material):
    content, body = gltf_content()
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    file = io.BytesIO()
    Image.fromarray(picture).save(file, 'png')
    content['images'] = [{'uri': 'data:image/png;base64,'
                                 + base64.b64encode(file.getvalue()).decode()}]  # fmt: skip
    content['textures'] = [{'source': 0}]
    if sampler is not None:
        content['textures'][0]['sampler'] = 0
        content['samplers'] = [sampler]
    content['materials'] = [
        {'pbrMetallicRoughness': {'baseColorTexture': {'index': 0}, **material}}
    ]
    body = with_block(content, body, uv.astype(np.float32), 5126)
    primitive = content['meshes'][0]['primitives'][0]
    primitive['attributes'] = {'POSITION': 0, 'TEXCOORD_0': 3}
    primitive['material'] = 0
    return picture, read(tmp_path, content, body)


def test_textures_are_sampled_at_the_vertices(tmp_path):
    uv = np.array([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [1.2, -0.2], [1.0, 1.0]])
    picture, scene = textured(tmp_path, uv)
    expected = picture[[0, 0, 1, 1, 0], [0, 1, 0, 0, 0]]
    np.testing.assert_array_equal(np.rint(scene.colors * 255), expected)
    clamp = {'wrapS': 33071, 'wrapT': 33071}
    _, scene = textured(tmp_path, uv, clamp)
    expected = picture[[0, 0, 1, 0, 1], [0, 1, 0, 1, 1]]
    np.testing.assert_array_equal(np.rint(scene.colors * 255), expected)
    _, scene = textured(tmp_path, uv, {'wrapS': 33648, 'wrapT': 33648})
    expected = picture[[0, 0, 1, 0, 1], [0, 1, 0, 1, 1]]
    np.testing.assert_array_equal(np.rint(scene.colors * 255), expected)
    _, scene = textured(tmp_path, uv, baseColorFactor=[0.5, 0.5, 0.5, 1])
    light = srgb_to_linear(picture[0, 1] / 255) / 2
    np.testing.assert_allclose(srgb_to_linear(scene.colors[1]), light, atol=1e-6)


def broken(change) -> bytes:
    content, body = copy.deepcopy(gltf_content())
    change(content)
    return pack_glb(content, body)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c['accessors'][0].update(count=2**40), 'accessor 0 needs'),
        (lambda c: c['accessors'][0].update(count=-1), 'whole number'),
        (lambda c: c['accessors'][0].update(componentType=1), 'componentType'),
        (lambda c: c['accessors'][0].update(bufferView=9), 'bufferViews'),
        (lambda c: c['accessors'][0].update(sparse={}), 'sparse'),
        (lambda c: c['accessors'][0].update(type='VEC2'), 'shape'),
        (lambda c: c['accessors'][1].update(count=4), 'colours of shape'),
        (lambda c: c['accessors'][2].update(bufferView=0, count=15), 'names vertex'),
        (lambda c: c['bufferViews'][0].update(byteStride=4), 'stride'),
        (lambda c: c['bufferViews'][0].update(byteLength=2**40), 'needs'),
        (lambda c: c['buffers'][0].update(byteLength=2**40), 'needs'),
        (lambda c: c['nodes'][0].update(children=[0]), 'below itself'),
        (lambda c: c['nodes'][0].update(children=[-1]), 'does not exist'),
        (lambda c: c['nodes'][0].update(rotation=[1, 2]), 'wrong form'),
        (lambda c: c['nodes'][0].update(translation=[1, 2, float('inf')]), 'not finite'),
        (lambda c: c['nodes'][0].update(mesh='a'), 'does not exist'),
        (lambda c: c['nodes'][0].pop('mesh'), 'no triangles and no points'),
        (lambda c: c['meshes'][0].pop('primitives'), 'wrong form'),
        (lambda c: c.update(scene=5), 'does not exist'),
        (lambda c: c.update(asset={'version': '1.0'}), 'glTF 1.0'),
        (lambda c: c.pop('asset'), 'asset'),
        (lambda c: c.update(extensionsRequired=['KHR_draco_mesh_compression']), 'draco'),
    ],
)
def test_contents_that_are_refused(tmp_path, change, message):
    (tmp_path / 'a.glb').write_bytes(broken(change))
    with pytest.raises(FileFormatError, match=message) as caught:
        read_gltf(tmp_path / 'a.glb')
    assert 'a.glb' in str(caught.value)


def test_a_small_file_cannot_ask_for_a_huge_scene(tmp_path, monkeypatch):
    monkeypatch.setattr('unison3d.io.gltf._MAX_REPEATED', 1000)
    content, body = gltf_content()
    content['nodes'] = [{'mesh': 0} for _ in range(2000)]
    content['scenes'][0]['nodes'] = list(range(2000))
    content['meshes'][0]['primitives'] *= 200
    with pytest.raises(FileFormatError, match='so often'):
        read(tmp_path, content, body)


def test_a_picture_that_claims_too_much(tmp_path):
    head = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    png = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + head + bytes(4)
    content, body = gltf_content()
    uri = 'data:image/png;base64,' + base64.b64encode(png).decode()
    content |= {'images': [{'uri': uri}], 'textures': [{'source': 0}]}
    content['materials'] = [{'pbrMetallicRoughness': {'baseColorTexture': {'index': 0}}}]
    body = with_block(content, body, np.zeros((5, 2), np.float32), 5126)
    content['meshes'][0]['primitives'][0]['attributes']['TEXCOORD_0'] = 3
    content['meshes'][0]['primitives'][0]['material'] = 0
    with pytest.raises(FileFormatError, match='image 0'):
        read(tmp_path, content, body)
