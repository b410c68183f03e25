"""S3DIS with the pipelines of OneFormer3D: no superpoints, 180,000 points with replacement."""

_base_ = './s3dis.py'

train_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels', with_superpoints=False),
    dict(type='SamplePointTable', num_points=180_000),
    dict(type='MapClasses', label_space='s3dis'),
    dict(type='FlipPoints'),
    dict(type='RotateScaleTranslate', rotation=0.0, scale=(0.9, 1.1), translation_std=0.1),
    dict(type='NormalizePointColors'),
    dict(type='PackPublishedInputs'),
]
test_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels', with_superpoints=False),
    dict(type='MapClasses', label_space='s3dis'),
    dict(type='NormalizePointColors'),
    dict(type='PackPublishedInputs'),
]

train_dataloader = dict(dataset=dict(fields='published', pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(fields='published', pipeline=test_pipeline))
val_dataloader = test_dataloader
