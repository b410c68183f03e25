"""ScanNet v2 with objects pasted and scenes mixed. Both come first: the rest sees one scene."""

_base_ = './scannet.py'

train_pipeline = [
    dict(type='PasteObjects', prob=0.5),
    dict(type='MixScenes', prob=0.25, pipeline=[dict(type='CropScene', max_points=125_000)]),
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

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
