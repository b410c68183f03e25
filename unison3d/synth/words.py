"""Nouns, what they cover, their synonyms and plurals."""

from __future__ import annotations

# A noun means every name in its set: 'the chair' may be an office chair.
BROAD: dict[str, frozenset[str]] = {
    'chair': frozenset(
        {'chair', 'office chair', 'folding chair', 'armchair', 'beanbag chair', 'sofa chair'}
    ),
    'table': frozenset(
        {
            'table',
            'conference table',
            'round table',
            'coffee table',
            'end table',
            'glass table',
            'nightstand',
            'dining table',
        }
    ),
    'bed': frozenset({'bed', 'bunk bed', 'mattress'}),
    'cabinet': frozenset(
        {
            'cabinet',
            'file cabinet',
            'kitchen cabinet',
            'display cabinet',
            'wall cabinet',
            'bathroom vanity',
            'wardrobe',
            'bathroom cabinet',
        }
    ),
    'lamp': frozenset({'lamp', 'floor lamp', 'light'}),
    'shelf': frozenset({'shelf', 'wall shelf', 'bookshelf'}),
    'refrigerator': frozenset({'refrigerator', 'mini fridge'}),
    'counter': frozenset({'counter', 'kitchen counter', 'bathroom counter'}),
    'bottle': frozenset({'bottle', 'water bottle'}),
    'pillow': frozenset({'pillow', 'cushion'}),
    'curtain': frozenset({'curtain', 'shower curtain'}),
    'bag': frozenset({'bag', 'backpack', 'purse', 'paper bag'}),
    'basket': frozenset({'basket', 'laundry basket'}),
    'trash can': frozenset({'trash can', 'recycling bin'}),
    'picture': frozenset({'picture', 'poster'}),
    'tv': frozenset({'tv', 'monitor'}),
}


# Other words for the same thing; a synonym means what its noun means.
SYNONYMS: dict[str, tuple[str, ...]] = {
    'sofa': ('couch',),
    'bookshelf': ('bookcase',),
    'refrigerator': ('fridge',),
    'cabinet': ('cupboard',),
    'office chair': ('swivel chair', 'desk chair'),
    'tv': ('television',),
    'bathtub': ('tub',),
    'trash can': ('garbage can', 'waste bin'),
    'picture': ('wall picture',),
    'end table': ('side table',),
    'plant': ('potted plant',),
    'box': ('carton',),
    'nightstand': ('bedside table',),
    'sink': ('washbasin',),
    'radiator': ('heater',),
    'file cabinet': ('filing cabinet',),
    'kitchen cabinet': ('base cabinet',),
    'laptop': ('notebook computer',),
    'clothes': ('pile of clothes',),
    'ottoman': ('footstool',),
    'suitcase': ('travel bag',),
    'monitor': ('computer screen',),
    'counter': ('countertop',),
    'curtain': ('drape',),
    'shoe': ('pair of shoes',),
    'armchair': ('easy chair',),
    'wardrobe': ('closet',),
}


PLURALS = {
    'shelf': 'shelves',
    'bookshelf': 'bookshelves',
    'wall shelf': 'wall shelves',
    'box': 'boxes',
    'couch': 'couches',
    'bench': 'benches',
    'clothes': 'clothes',
    'blinds': 'blinds',
    'pile of clothes': 'piles of clothes',
    'washing machine': 'washing machines',
    'pair of shoes': 'pairs of shoes',
    'bathroom vanity': 'bathroom vanities',
    'toilet paper': 'toilet paper rolls',
}


LEADS = (
    '{}',
    '{}',
    '{}',
    '{} in this room',
    'this is {}',
    'find {}',
    'select {}',
    'I mean {}',
    'look for {}',
    'it is {}',
)


# Things that others can stand under.
COVERS = frozenset(
    {
        'table',
        'conference table',
        'round table',
        'end table',
        'desk',
        'counter',
        'bed',
        'glass table',
        'sink',
        'window',
        'picture',
        'poster',
        'whiteboard',
    }
)
NUMBERS = {
    2: 'two',
    3: 'three',
    4: 'four',
    5: 'five',
    6: 'six',
    7: 'seven',
    8: 'eight',
    9: 'nine',
    10: 'ten',
}


ORDINALS = {2: 'second', 3: 'third'}


def meaning(noun: str) -> frozenset[str]:
    """Names of the kinds that a noun covers."""
    return BROAD.get(noun, frozenset({noun}))


def plural(word: str) -> str:
    return PLURALS.get(word, word + 's')
