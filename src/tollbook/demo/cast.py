"""Who calls whom. Every number is of a range kept for fiction: area code, 555, 0100 to 0199."""

import random
from dataclasses import dataclass

AREA_CODES = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231,
    234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307,
    308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330, 334, 336, 337, 339, 347, 351,
    352, 360, 361, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417,
)  # fmt: skip
FIRST_NAMES = (
    "Ada", "Ben", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Luis", "Maya",
    "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Samir", "Tess", "Uma", "Victor", "Wren", "Ximena", "Yusuf", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Abbot", "Baker", "Castillo", "Dunn", "Eriksen", "Fabre", "Gupta", "Haines", "Ibarra", "Jensen", "Kowalski",
    "Lopez", "Mbeki", "Novak", "Okafor", "Price", "Quigley", "Rossi", "Santos", "Tanaka", "Ueda", "Vance", "Walsh",
    "Xu", "Young", "Zeller",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agent:
    """Someone with a headset: sign-in name and extension."""

    name: str
    extension: str


@dataclass(frozen=True, slots=True)
class Cast:
    """One account's people and numbers. `share` scales how busy it is."""

    account: str
    share: float
    switch: str
    agents: tuple[Agent, ...]
    campaigns: tuple[str, ...]
    queues: tuple[str, ...]
    own_numbers: tuple[str, ...]


NORTHWIND = Cast(
    account="northwind",
    share=1.0,
    switch="nw-pbx1",
    agents=tuple(Agent(name.lower(), str(301 + at)) for at, name in enumerate(FIRST_NAMES)),
    campaigns=("renewals", "win-back", "appointment-reminders", "survey", "past-due"),
    queues=("sales", "support", "billing", "retention"),
    own_numbers=tuple(f"1212555010{digit}" for digit in range(10)),
)
CONTOSO = Cast(
    account="contoso",
    share=0.02,
    switch="ct-pbx1",
    agents=tuple(Agent(name.lower(), str(201 + at)) for at, name in enumerate(("Iris", "Karl", "Mona"))),
    campaigns=("newsletter",),
    queues=("front-desk",),
    own_numbers=("13125550110", "13125550111"),
)


def somebody(dice: random.Random) -> tuple[str, str]:
    """A stranger's name and number."""
    return f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}", number(dice)


def number(dice: random.Random) -> str:
    """A fictional number in North America."""
    return f"1{dice.choice(AREA_CODES)}55501{dice.randrange(100):02}"
