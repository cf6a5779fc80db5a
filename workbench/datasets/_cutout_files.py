"""Which stamps of Tux Paint are photographs of one thing before no background, and of what kind; chosen by eye."""

from __future__ import annotations

TARGETS = {
    "apple": ("apple_fuji", "apple_green", "apple_red", "apple_sierra_beauty"),
    "car": ("beetle", "sedan", "sportscar2", "truck"),
    "chicken": ("chicken_profile", "hen", "rooster"),
    "deer": ("caribou", "deer", "doe", "wapiti"),
    "guitar": ("guitar2", "guitar_classical", "guitar_electric", "guitar_electric_bass"),
    "penguin": ("little-penguin", "magellanic_penguin", "penguin"),
}
"""Kinds that are looked for: several things of each, so that a kind is more than one set of pixels."""

_FOLDERS = {
    "food/fruit": (
        *TARGETS["apple"],
        *("apricot", "banana", "lemon", "mandarine", "orange_seville", "pear", "pomegranate", "strawberry"),
    ),
    "food/vegetables": ("carrot", "mushroom", "onion", "pepper", "pumpkin_small"),
    "vehicles/auto": TARGETS["car"],
    "vehicles": ("garbagetruck",),
    "vehicles/emergency": ("firetruck",),
    "vehicles/masstransit": ("green_korean_bus",),
    "vehicles/race": ("indycar",),
    "animals/birds": (
        *TARGETS["chicken"],
        *TARGETS["penguin"],
        *("drake", "duck", "gander", "ostrich", "owl", "pelican", "pigeon", "seagull", "turkey"),
    ),
    "animals/mammals/deer": TARGETS["deer"],
    "animals/mammals/equines": ("donkey", "horse", "zebra"),
    "animals/mammals/bovines": ("bison", "cow", "goat", "mountaingoat", "ram", "sheep"),
    "animals/mammals/dogs": ("dog", "fox"),
    "animals/mammals/bears": ("bear",),
    "animals/mammals/cats": ("lion-2", "tiger_sumatran"),
    "animals/mammals": ("elephant", "giraffe"),
    "animals/mammals/rodents": ("rabbit", "squirrel"),
    "animals/marsupials": ("kangaroo", "koala"),
    "hobbies/music/string": (*TARGETS["guitar"], "cello", "violin"),
    "hobbies/music/brass": ("trumpet",),
    "hobbies": ("binoculars", "camera_35mm"),
    "household": ("garbagecan", "kettle", "wheelie_bin"),
    "household/tools": ("toolbox",),
    "plants/flowers": ("daffodil", "rose"),
    "plants/mushrooms": ("cep", "cep-1"),
    "sports": ("basketball", "football", "soccer"),
}
MEMBERS = {
    f"{name}.png": f"usr/share/tuxpaint/stamps/{folder}/{name}.png"
    for folder, names in _FOLDERS.items()
    for name in names
}
"""Path in the Debian package by the name of the file."""
KINDS = {name: kind for kind, names in TARGETS.items() for name in names}
"""Kind of each target; what is not here is clutter."""
