"""ScanNet v2 in the processed form, 20 classes, for the unified model.

The published augmentation, with the sample and the prompts of this toolbox. The published fields
and their exact rules are in scannet_published.py.
"""

data_root = 'data/scannet'
sentence_encoder = dict(type='EmbeddingBankEncoder', fallback=dict(type='MiniLMTextEncoder'))

train_pipeline = [
    dict(type='CropScene', max_points=250_000, whole_superpoints=True),
    dict(type='RandomFlip'),
    dict(type='RandomRotate'),
    dict(type='RandomScale', low=0.8, high=1.2, shift_std=0.1),
    dict(type='ElasticDistortion'),
    dict(type='SuperpointTargets'),
    dict(type='SampleClicks', mode='train', max_objects=16),
    dict(type='SampleSentences', max_texts=16),
    dict(type='PackScene'),
]
test_pipeline = [
    dict(type='SuperpointTargets'),
    dict(type='SampleClicks', mode='agile', max_objects=None),
    dict(type='SampleSentences'),
    dict(type='PackScene'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler'),
    dataset=dict(
        type='ScanNetSegDataset',
        data_root=data_root,
        ann_file='uniseg3d_infos_train.pkl',
        text_encoder=sentence_encoder,
        filter_cfg=dict(filter_empty_gt=True),
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
        text_encoder=sentence_encoder,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
