"""S3DIS in the processed form, Area 5 for testing; cells of 5 cm stand in for superpoints."""

data_root = 'data/s3dis'

train_pipeline = [
    dict(type='CropScene', max_points=180_000),
    dict(type='RandomFlip'),
    dict(type='RandomScale', low=0.9, high=1.1, shift_std=0.1),
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
    batch_size=2,
    num_workers=3,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler'),
    dataset=dict(
        type='S3DISSegDataset',
        data_root=data_root,
        areas=(1, 2, 3, 4, 6),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='S3DISSegDataset',
        data_root=data_root,
        areas=(5,),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
