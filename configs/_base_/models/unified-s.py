"""The small unified model: a few million parameters, made for two CPU cores and 5 cm voxels.

Differences from the published model, each because of that size:

- wider voxels, colour, height and verticality instead of centred coordinates as input (the last
  two do not change when the scan is turned), positions given to the decoder instead;
- sentence embeddings of 384 numbers from a text encoder that works offline.
"""

embedding_dim = 384
bank = dict(type='EmbeddingBankEncoder')
text_encoder = dict(type='EmbeddingBankEncoder', fallback=dict(type='MiniLMTextEncoder'))
logit_scale = 30.0
postprocess = dict(
    min_points=50, instance_quality=True, panoptic_score_threshold=0.4, proposal_threshold=0.05
)

model = dict(
    type='UnifiedSegmentor',
    data_preprocessor=dict(
        type='ScenePreprocessor',
        voxel_size=0.05,
        point_features=('color', 'has_color', 'height', 'verticality'),
        min_spatial_shape=16,
    ),
    backbone=dict(
        type='SparseUNet', planes=(24, 48, 72, 96, 128), num_blocks=1, num_output_levels=3
    ),
    decoder=dict(
        type='UnifiedDecoder',
        d_model=128,
        num_heads=4,
        num_layers=3,
        hidden_dim=256,
        embedding_dim=embedding_dim,
        position_encoding=True,
    ),
    tasks=dict(
        closed_set=dict(
            type='ClosedSetTask',
            label_space='scannet20',
            text_encoder=bank,
            logit_scale=logit_scale,
            queries=dict(max_queries=350),
            matcher=dict(topk=3),
            semantic_weight=1.0,
            quality_weight=0.5,
            postprocess=postprocess,
        ),
        click=dict(
            type='ClickTask',
            box_embedding=True,
            correction_rounds=3,
            loss_weight=0.7,
            postprocess=postprocess,
        ),
        text=dict(
            type='ReferringTask',
            # color, has_color, height, verticality
            input_channels=6,
            embedding_dim=embedding_dim,
            text_encoder=text_encoder,
            postprocess=postprocess,
        ),
        open_vocabulary=dict(
            type='OpenVocabularyTask',
            text_encoder=text_encoder,
            logit_scale=logit_scale,
            novelty=0.1,
            postprocess=postprocess,
        ),
    ),
)
