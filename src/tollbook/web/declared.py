"""What a page declares about who may open it. The access-matrix test reads it from every URL."""

from dataclasses import dataclass

from tollbook.accounts.tables import Area, Level

READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Declared:
    """Stands on a view as `.declared`. `door` is "portal" (an account's users) or "desk" (staff).

    `areas`: any one of them is enough; none: every user of the account. `write`: Write is needed to look, too; any other
    method than GET and HEAD needs Write in the area anyway. `level`: the lowest level let in; `write_level`: the lowest that
    may use any other method, when that is a higher one.
    """

    door: str
    areas: tuple[Area, ...] = ()
    write: bool = False
    level: Level | None = None
    write_level: Level | None = None
    methods: tuple[str, ...] = READING

    def needs_write(self, method: str) -> bool:
        """Whether this method needs Write in the area."""
        return bool(self.areas) and (self.write or method not in READING)

    def level_for(self, method: str) -> Level | None:
        """The lowest level that may use this method."""
        return self.level if method in READING else self.write_level or self.level
