"""OneFormer3D on ScanNet as published (arXiv:2311.14405): superpoints are queries, linear heads."""

model = dict(
    type='UnifiedSegmentor',
    data_preprocessor=dict(
        type='ScenePreprocessor',
        voxel_size=0.02,
        point_features=('color', 'centered_xyz'),
        min_spatial_shape=128,
        # The last plane of an odd axis is lost on the way down. Ours: 16, which loses nothing.
        spatial_multiple=1,
        # What CUDA makes of a division. Ours: False.
        reciprocal=True,
    ),
    backbone=dict(type='SparseUNet', planes=(32, 64, 96, 128, 160), num_blocks=2),
    decoder=dict(
        type='UnifiedDecoder',
        d_model=256,
        num_heads=8,
        num_layers=6,
        hidden_dim=1024,
        # No text space: classes by linear layers.
        embedding_dim=None,
    ),
    tasks=dict(
        closed_set=dict(
            type='ClosedSetTask',
            label_space='scannet20',
            linear_head=dict(num_semantic_layers=1),
            queries=dict(keep_ratio=(0.5, 1.0), max_queries=None, type_embedding=False),
            matcher=dict(topk=1, class_weight=0.5, bce_weight=1.0, dice_weight=1.0),
            # '4/B' is 1 at the published batch of four. Ours: 1.
            instance_loss=dict(background_weight=0.1, dice_final=4.0, dice_auxiliary='4/B'),
            semantic_weight=0.2,
            # No predicted IoU.
            quality_weight=None,
            postprocess=dict(
                topk=600,
                mask_threshold=0.4,
                score_threshold=0.0,
                panoptic_score_threshold=0.5,
                min_points=100,
                instance_quality=False,
                panoptic_quality=False,
            ),
        ),
    ),
)
