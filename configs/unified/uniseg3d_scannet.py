"""UniSeg3D on ScanNet, ScanRefer and the masks of SAM3D, trained as published (arXiv:2407.03263).

Needs four published files besides the data (see docs/checkpoints.md for the first):

- sstnet_scannet.pth: initial weights of the backbone, by way of
  `unison3d convert uniseg3d sstnet_scannet.pth data/sstnet_scannet.safetensors --allow-partial`;
- scannet_cls_embedding.pth: vectors of the class names;
- open_clip_pytorch_model.bin: the text tower, or a UniSeg3D checkpoint that holds it;
- uniseg3d_infos_train.pkl, uniseg3d_infos_val.pkl: sentences and pseudo masks.

unison3d train configs/unified/uniseg3d_scannet.py
unison3d test configs/unified/uniseg3d_scannet.py WEIGHTS.safetensors

Released weights lack the class embeddings, which come from the file above, and what UniSeg3D does
not have: negative clicks and the predicted IoU of prompts. No number here depends on those two, so

unison3d test configs/unified/uniseg3d_scannet.py model_best.safetensors \\
    --cfg-options load_strict=False
"""

_base_ = [
    '../_base_/models/uniseg3d.py',
    '../_base_/datasets/scannet_published.py',
    '../_base_/schedules/adamw-poly-epochs.py',
    '../_base_/default_runtime.py',
]

class_embeddings = 'data/scannet_cls_embedding.pth'
text_tower = 'data/open_clip_pytorch_model.bin'
load_from = 'data/sstnet_scannet.safetensors'
# The file holds the backbone alone.
load_strict = False
randomness = dict(seed=1)

model = dict(
    tasks=dict(
        text=dict(
            text_encoder=dict(
                # The tower never changes, so each of the 36,665 sentences is read once.
                type='CachedTextEncoder',
                encoder=dict(type='ClipTextEncoder', weights=text_tower),
                max_phrases=50_000,
            )
        )
    )
)

load = [
    dict(type='LoadPointTable'),
    dict(type='LoadPointLabels'),
    dict(type='MapClasses', label_space='scannet20'),
]
train_pipeline = [
    *load,
    dict(type='RotateScaleTranslate', rotation=3.14, scale=(0.8, 1.2), translation_std=0.1),
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations', merge_ov=True),
    dict(type='AddTextPrompts', mode='train'),
    dict(type='AddClickPrompts', mode='train'),
    dict(type='AddElasticCoords', prob=0.5),
    dict(type='PackPublishedScene'),
]
test_pipeline = [
    *load,
    dict(type='NormalizePointColors'),
    dict(type='AddSuperPointAnnotations'),
    dict(type='AddTextPrompts', mode='test'),
    dict(type='AddClickPrompts', mode='test'),
    dict(type='PackPublishedScene'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=16,
    # Workers that outlive an epoch keep random state that no checkpoint sees.
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True, _delete_=True),
    dataset=dict(pipeline=train_pipeline),
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

test_evaluator = [
    dict(type='SemanticMetric'),
    dict(type='InstanceMetric'),
    # Ours: absent='skip'. All 20 classes occur in the validation set, so here it is the same.
    dict(type='PanopticMetric', absent='zero'),
    # Ours: ground_truth='points', which also counts what no superpoint can express.
    # Ours: confidence='predicted', which knows nothing of the truth.
    dict(type='InteractiveMetric', ground_truth='superpoints', confidence='true_class'),
    dict(type='ReferringMetric', ground_truth='superpoints'),
]
val_evaluator = test_evaluator
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=8, max_keep_ckpts=3))
log_processor = dict(by_epoch=True)
custom_hooks = [
    dict(type='ClassEmbeddingsHook', path=class_embeddings),
    dict(type='ExportWeightsHook', filename='uniseg3d_scannet.safetensors'),
]
