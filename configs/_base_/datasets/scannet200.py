"""ScanNet200 in the processed form, for the unified model."""

_base_ = './scannet.py'

data_root = 'data/scannet200'

train_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_train.pkl',
        text_encoder=None,
    ),
)
test_dataloader = dict(
    dataset=dict(
        type='ScanNet200SegDataset',
        data_root=data_root,
        ann_file='scannet200_oneformer3d_infos_val.pkl',
        text_encoder=None,
    ),
)
val_dataloader = test_dataloader
