"""What a page of viser says to its server."""

from __future__ import annotations

#: The first message of every page; with it the server knows a client.
CAMERA = {
    'type': 'ViewerCameraMessage',
    'wxyz': (1.0, 0.0, 0.0, 0.0),
    'position': (3.0, 3.0, 3.0),
    'fov': 0.9,
    'near': 0.01,
    'far': 1000.0,
    'image_height': 800,
    'image_width': 1280,
    'look_at': (0.0, 0.0, 0.0),
    'up_direction': (0.0, 0.0, 1.0),
}
