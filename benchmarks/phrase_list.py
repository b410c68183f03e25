"""Phrases that are no names, and the kinds of objects of the procedural rooms that fit them.

Written before any of them was asked. ``CHOICE`` may be looked at when a method is chosen or
a number is set; ``TESTING`` is only ever reported. Things about which people would disagree
stand in the second list of a phrase: finding them is neither right nor wrong.
"""

from __future__ import annotations

_SEATS = 'chair, office chair, folding chair, armchair, sofa, bench, stool, ottoman, beanbag chair'
_TABLES = 'table, round table, glass table, conference table, coffee table, end table, desk'
_SHELVES = 'bookshelf, shelf, wall shelf'
_CABINETS = 'cabinet, file cabinet, kitchen cabinet, display cabinet, wall cabinet'

_CHOICE = {
    'seating': (_SEATS, 'bed, mattress, toilet, pillow'),
    'a bed for the night': ('bed, bunk bed, mattress', 'sofa, beanbag chair, pillow'),
    'somewhere to rest my head': ('pillow', 'bed, bunk bed, mattress, sofa, beanbag chair'),
    'somewhere to keep food cold': ('refrigerator', 'water cooler'),
    'where to throw rubbish away': ('trash can, recycling bin', 'basket, laundry basket, box'),
    'a way out of the room': ('door', 'window'),
    'something that shows the time': ('clock', 'laptop, tv, monitor, microwave, oven'),
    'something to keep the sun out': ('curtain, blinds', 'shower curtain, wall'),
    'something that makes the room warm': ('radiator', 'oven, fan, lamp, floor lamp'),
    'what I pack for a journey': ('suitcase, backpack, bag', 'clothes, jacket, shoe'),
    'somewhere to take a bath': ('bathtub', 'shower curtain, sink, bathroom vanity'),
    'a thing to play music on': ('piano', 'tv, laptop, computer tower'),
    'somewhere to put books': (
        _SHELVES,
        f'{_CABINETS}, {_TABLES}, nightstand, book, tv stand, box, dresser',
    ),
    'somewhere to eat dinner': (
        'table, round table, glass table',
        'conference table, coffee table, end table, desk, counter, chair, folding chair, bench',
    ),
    'something to type on': ('keyboard, laptop', 'computer tower, monitor, desk, piano'),
    'something to dry myself with': ('towel', 'toilet paper, clothes'),
    'a toy for a child': ('stuffed animal', 'piano, bicycle, beanbag chair'),
    'things made of fabric': (
        'curtain, shower curtain, towel, clothes, jacket, pillow, sofa, stuffed animal',
        'bed, bunk bed, mattress, armchair, backpack, bag, beanbag chair, ottoman, basket, '
        'laundry basket, blinds, office chair, ironing board, chair, lamp, floor lamp, shoe',
    ),
    'made of paper': ('book, poster, toilet paper', 'box, picture, bulletin board'),
    'bathroom fixtures': (
        'toilet, sink, bathtub, shower curtain, bathroom vanity',
        'mirror, towel, toilet paper, washing machine, wall cabinet, laundry basket',
    ),
    'lighting': ('lamp, floor lamp', 'window'),
    'storage furniture': (
        f'{_CABINETS}, {_SHELVES}, wardrobe, dresser, nightstand',
        'tv stand, bathroom vanity, box, basket, coat rack, laundry basket, desk, suitcase',
    ),
    'something to wear': ('clothes, jacket, shoe', 'backpack, bag'),
    'something to ride through the city': ('bicycle', 'cart'),
}
_TESTING = {
    'somewhere to sleep': ('bed, bunk bed, mattress', 'sofa, beanbag chair, pillow'),
    'things to sit on': (_SEATS, 'bed, bunk bed, mattress, toilet, pillow, bathtub'),
    'somewhere soft': (
        'sofa, armchair, bed, bunk bed, mattress, beanbag chair, pillow, ottoman',
        'stuffed animal, clothes, towel, jacket, office chair, curtain, shower curtain, chair',
    ),
    'where can I wash my hands': ('sink, bathroom vanity', 'bathtub, towel'),
    'something to read at night with': ('lamp, floor lamp', 'book, laptop, bed, bunk bed'),
    'somewhere to cook': ('oven, microwave', 'pot, counter, kitchen cabinet, refrigerator, sink'),
    'where can I boil an egg': ('oven, pot', 'microwave, counter, kitchen cabinet'),
    'something to write on': (
        'whiteboard, desk',
        f'{_TABLES}, bulletin board, laptop, podium, book, wall, printer, counter',
    ),
    'a place to hang my coat': ('coat rack, wardrobe', 'door, jacket, wall, cabinet'),
    'where clothes are kept': (
        'wardrobe, dresser',
        'laundry basket, cabinet, coat rack, suitcase, clothes, shelf, basket, jacket, box',
    ),
    'where daylight comes in': ('window', 'door, blinds, curtain'),
    'something to watch a film on': ('tv, monitor, laptop', 'tv stand, sofa, computer tower'),
    'something that cools the air': ('fan', 'window, refrigerator, water cooler, radiator'),
    'something to drink from': ('mug, bottle', 'water cooler, sink, pot'),
    'where dirty laundry goes': ('washing machine, laundry basket', 'basket, clothes, bag'),
    'something to climb on to reach the ceiling': ('ladder', f'{_SEATS}, bunk bed, table'),
    'something to see my own face in': ('mirror', 'picture, window, display cabinet'),
    'it has to be watered': ('plant', 'pot, basket'),
    'made of glass': (
        'window, mirror, glass table',
        'display cabinet, bottle, tv, monitor, laptop, lamp, clock, picture, oven, microwave',
    ),
    'made of porcelain': ('toilet, sink, mug', 'bathtub, bathroom vanity, pot, lamp, plant'),
    'kitchen appliances': (
        'refrigerator, oven, microwave',
        'washing machine, water cooler, sink, kitchen cabinet, pot, counter',
    ),
    'electronics': (
        'tv, monitor, laptop, computer tower, keyboard, printer',
        'clock, microwave, oven, fan, refrigerator, washing machine, lamp, floor lamp, radiator, '
        'water cooler, tv stand',
    ),
    'luggage': ('suitcase, backpack, bag', 'cart, box'),
    'decoration on the wall': (
        'picture, poster',
        'mirror, clock, bulletin board, plant, wall shelf, whiteboard, curtain',
    ),
}


def _split(table: dict[str, tuple[str, str]]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    sets = {}
    for phrase, (fits, maybe) in table.items():
        right = frozenset(fits.split(', '))
        sets[phrase] = right, frozenset(maybe.split(', ')) - right
    return sets


#: Phrase to the names that fit it and those that may be seen either way.
CHOICE = _split(_CHOICE)
TESTING = _split(_TESTING)
