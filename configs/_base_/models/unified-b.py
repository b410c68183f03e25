"""The base unified model: 28 M parameters, below 60 MB as float16, made to be trained on one GPU.

Differences from the small model:

- voxels of 3 cm. Chair legs and edges of tables need less than 5 cm, while 2 cm would be twice as
  many voxels again, for points that a hand-held scan does not place that well;
- a sixth level and two blocks per level, so that the deepest voxels are about a metre wide, as in
  the small model;
- a decoder of the published width, 256, and depth, 6 layers.
"""

_base_ = './unified-s.py'

model = dict(
    data_preprocessor=dict(voxel_size=0.03, min_spatial_shape=32, spatial_multiple=32),
    backbone=dict(planes=(32, 64, 96, 128, 160, 192), num_blocks=2),
    decoder=dict(d_model=256, num_heads=8, num_layers=6, hidden_dim=1024),
    tasks=dict(closed_set=dict(queries=dict(max_queries=1000))),
)
