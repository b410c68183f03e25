"""ScanNet v2 with the pipelines of UniSeg3D, step for step (arXiv:2407.03263).

Add profile='published' to a transform to get the published behaviour where it was corrected; see
docs/transforms.md.
"""

data_root = 'data/scannet'

train_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet20'),
    dict(type='RotateScaleTranslate', rotation=3.14, scale=(0.8, 1.2), translation_std=0.1),
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations', merge_ov=True),
    dict(type='AddTextPrompts', mode='train'),
    dict(type='AddClickPrompts', mode='train'),
    dict(type='AddElasticCoords', prob=0.5),
    dict(type='PackPublishedInputs'),
]
test_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet20'),
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations', with_eval_ann_info=True),
    dict(type='AddTextPrompts', mode='test'),
    dict(type='AddClickPrompts', mode='test'),
    dict(type='PackPublishedInputs'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=6,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler'),
    dataset=dict(
        type='ScanNetSegDataset',
        data_root=data_root,
        ann_file='uniseg3d_infos_train.pkl',
        fields='published',
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetSegDataset',
        data_root=data_root,
        ann_file='uniseg3d_infos_val.pkl',
        fields='published',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
