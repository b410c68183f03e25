"""Procedural rooms, generated on the fly and kept in a cache folder between epochs.

Training never sees a label, a click or a sentence of the withheld kinds of furniture; testing
names them.
"""

data_root = 'data/synth_rooms'
# The names of unison3d.synth.catalog; a test keeps the two lists equal.
vocabulary = [
    'wall', 'floor', 'backpack', 'bag', 'basket', 'bathroom vanity', 'bathtub', 'beanbag chair',
    'bed', 'bicycle', 'blinds', 'book', 'bookshelf', 'bottle', 'box', 'bulletin board',
    'bunk bed', 'cabinet', 'cart', 'chair', 'clock', 'clothes', 'coat rack', 'computer tower',
    'conference table', 'counter', 'curtain', 'desk', 'display cabinet', 'door', 'dresser',
    'end table', 'fan', 'file cabinet', 'floor lamp', 'folding chair', 'glass table',
    'ironing board', 'jacket', 'keyboard', 'kitchen cabinet', 'ladder', 'lamp', 'laptop',
    'laundry basket', 'mattress', 'microwave', 'mirror', 'mug', 'office chair', 'ottoman', 'oven',
    'piano', 'picture', 'pillow', 'plant', 'podium', 'poster', 'pot', 'printer', 'radiator',
    'recycling bin', 'refrigerator', 'round table', 'shelf', 'shoe', 'shower curtain', 'sink',
    'sofa', 'stuffed animal', 'suitcase', 'table', 'toilet', 'toilet paper', 'towel', 'trash can',
    'tv', 'tv stand', 'wall cabinet', 'wall shelf', 'washing machine', 'water cooler',
    'whiteboard', 'window',
]
withheld = [
    'armchair', 'bench', 'coffee table', 'monitor', 'nightstand', 'stool', 'wardrobe',
]
test_vocabulary = [*vocabulary, *withheld]
sentence_encoder = dict(type='EmbeddingBankEncoder', fallback=dict(type='MiniLMTextEncoder'))

train_pipeline = [
    dict(type='WithholdClasses', names=withheld),
    dict(type='CropScene', max_points=45_000),
    dict(type='RandomFlip'),
    dict(type='RandomRotate'),
    dict(type='RandomScale', low=0.85, high=1.15, anisotropy=0.05),
    dict(type='JitterPoints', std=0.003),
    dict(type='ColorAugment'),
    dict(type='SuperpointTargets'),
    dict(type='SampleClicks', mode='train', max_objects=16),
    dict(type='SampleSentences', max_texts=8),
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
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='SynthRoomsDataset',
        num_scenes=3000,
        seed=1_000_000,
        cache_dir=data_root,
        text_encoder=sentence_encoder,
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SynthRoomsDataset',
        num_scenes=100,
        seed=0,
        cache_dir=data_root,
        text_encoder=sentence_encoder,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
