"""ScanNet200 with the pipelines of OneFormer3D (arXiv:2311.14405): flips, colour statistics."""

_base_ = './scannet_published.py'

data_root = 'data/scannet200'
classes = dict(num_classes=200, stuff_classes=(0, 1))

train_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet200'),
    dict(type='FlipPoints', prob_x=0.5, prob_y=0.5),
    dict(type='RotateScaleTranslate', rotation=3.14, scale=(0.8, 1.2), translation_std=0.1),
    dict(type='NormalizePointColors', mean=None, std=None),
    dict(type='AddSuperPointAnnotations', **classes),
    dict(type='AddElasticCoords', prob=0.5),
    dict(type='PackPublishedInputs'),
]
test_pipeline = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet200'),
    dict(type='NormalizePointColors', mean=None, std=None),
    dict(type='AddSuperPointAnnotations', with_eval_ann_info=True, **classes),
    dict(type='PackPublishedInputs'),
]

train_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_train.pkl',
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_val.pkl',
        pipeline=test_pipeline,
    ),
)
val_dataloader = test_dataloader
