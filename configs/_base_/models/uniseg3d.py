"""UniSeg3D as published (arXiv:2407.03263): the profile `published` of the unified model.

Every option stands here with its published value. Where the published value is odd, a comment says
what a model of ours does instead; docs/what_we_changed.md tells why.
"""

label_space = 'scannet20'
embedding_dim = 768
# Vectors per class in scannet_cls_embedding.pth; ClassEmbeddingsHook compares.
num_prototypes = 1
# 4 at the last layer; '4/B' at the others depends on the batch size and is 1 at the published batch
# of four. Ours: 1.
mask_loss = dict(
    class_loss_weight=0.5,
    bce_weight=1.0,
    dice_weight=1.0,
    background_weight=0.1,
    dice_final=4.0,
    dice_auxiliary='4/B',
)
matcher = dict(topk=1, class_weight=0.5, bce_weight=1.0, dice_weight=1.0)
postprocess = dict(
    topk=600,
    mask_threshold=0.4,
    score_threshold=0.0,
    panoptic_score_threshold=0.5,
    min_points=100,
    object_normalization=True,
    instance_quality=False,
    panoptic_quality=True,
    nms=True,
    nms_kernel='linear',
)

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
        embedding_dim=embedding_dim,
        position_encoding=False,
    ),
    tasks=dict(
        closed_set=dict(
            type='ClosedSetTask',
            label_space=label_space,
            num_prototypes=num_prototypes,
            embedding_dim=embedding_dim,
            queries=dict(keep_ratio=(0.5, 1.0), max_queries=3500),
            matcher=matcher,
            instance_loss=mask_loss,
            pseudo_matcher=dict(topk=1, bce_weight=1.0, dice_weight=1.0),
            # Not divided by the batch size at any layer, unlike the others.
            pseudo_loss=dict(bce_weight=0.1, dice_weight=0.1, dice_final=4.0, dice_auxiliary=4.0),
            semantic_weight=0.2,
            quality_weight=0.1,
            postprocess=postprocess,
        ),
        # Prompts have no predicted quality there.
        click=dict(
            type='ClickTask',
            mask_loss=mask_loss,
            loss_weight=0.1,
            quality_weight=0.0,
            postprocess=postprocess,
        ),
        text=dict(
            type='TextTask',
            embedding_dim=embedding_dim,
            # The text tower needs a file, so the config that trains or tests names it.
            wide=False,
            mask_loss=mask_loss,
            loss_weight=0.1,
            quality_weight=0.0,
            postprocess=postprocess,
        ),
    ),
    links=dict(
        # 0.5 inside tasks that count 0.1.
        prompt_class=dict(
            type='PromptClassLink', weight=0.05, background_weight=0.1, scores_of='click'
        ),
        # Ours: complete_scenes=False, saturating=False.
        click_distillation=dict(
            type='ClickDistillationLink',
            weight=0.1,
            share=0.1,
            complete_scenes=True,
            saturating=True,
        ),
        # Ours: the exponential, as in CLIP.
        contrastive=dict(type='ContrastiveLink', weight=0.1, exponentiate_temperature=False),
        # Ours: 'row_mean', as the paper writes it.
        ranking=dict(type='RankingLink', weight=0.1, rank='column_sum'),
        # Ours: saturating=False.
        class_distillation=dict(type='ClassDistillationLink', weight=0.1, saturating=True),
    ),
)
