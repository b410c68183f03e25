"""OneFormer3D on ScanNet, 200 classes: a Minkowski U-Net on three colour channels.

Published initial weights of the backbone: mask3d_scannet200.pth, by way of
`unison3d convert oneformer3d mask3d_scannet200.pth data/mask3d_scannet200.safetensors
--allow-partial`.

unison3d train configs/oneformer3d/oneformer3d_1xb4_scannet200.py
unison3d test configs/oneformer3d/oneformer3d_1xb4_scannet200.py WEIGHTS.safetensors
"""

_base_ = './oneformer3d_1xb4_scannet.py'

label_space = 'scannet200'
data_root = 'data/scannet200'
load_from = 'data/mask3d_scannet200.safetensors'
classes = dict(num_classes=200, stuff_classes=(0, 1))

model = dict(
    data_preprocessor=dict(
        point_features=('color',),
        color_mean=(0.47793125906962, 0.4303257521323044, 0.3749598901421883),
        color_std=(0.2834475483823543, 0.27566157565723015, 0.27018971370874995),
        # The lattice of the Minkowski family is anchored at the origin of the scan.
        shift_to_minimum=False,
    ),
    # `final` is in the released file and nothing uses it.
    backbone=dict(
        _delete_=True, type='Res16UNet', arch='34C', final_channels=96, apply_final=False
    ),
    tasks=dict(closed_set=dict(label_space=label_space, semantic_weight=0.5)),
)

load = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space=label_space),
]
train_pipeline = [
    *load,
    dict(type='FlipPoints', prob_x=0.5, prob_y=0.5),
    dict(type='RotateScaleTranslate', rotation=3.14, scale=(0.8, 1.2), translation_std=0.1),
    dict(type='NormalizePointColors', mean=None, std=None),
    dict(type='AddSuperPointAnnotations', **classes),
    dict(type='AddElasticCoords', prob=0.5),
    dict(type='PackPublishedScene', label_space=label_space),
]
test_pipeline = [
    *load,
    dict(type='NormalizePointColors', mean=None, std=None),
    dict(type='AddSuperPointAnnotations', **classes),
    dict(type='PackPublishedScene', label_space=label_space),
]

train_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_train.pkl',
        pipeline=train_pipeline,
    )
)
test_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_val.pkl',
        pipeline=test_pipeline,
    )
)
val_dataloader = test_dataloader

test_evaluator = [
    dict(type='SemanticMetric', label_space=label_space),
    dict(type='InstanceMetric', label_space=label_space),
    # Eleven classes have no object in the validation set and count 0 in the published number.
    dict(type='PanopticMetric', label_space=label_space, absent='zero'),
]
val_evaluator = test_evaluator
custom_hooks = [dict(type='ExportWeightsHook', filename='oneformer3d_1xb4_scannet200.safetensors')]
