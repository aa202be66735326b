"""What a page declares about who may open it. The access-matrix test reads it from every URL."""

from dataclasses import dataclass

from tollbook.accounts.tables import Area, Level


@dataclass(frozen=True, slots=True)
class Declared:
    """Stands on a view as `.declared`. `door` is "portal" (an account's users) or "desk" (staff).

    `areas`: any one of them is enough; none: every user of the account. `write`: Write is needed to look, too; any other
    method than GET and HEAD needs Write in the area anyway. `level`: the lowest level let in.
    """

    door: str
    areas: tuple[Area, ...] = ()
    write: bool = False
    level: Level | None = None
    methods: tuple[str, ...] = ("GET", "HEAD")

    def needs_write(self, method: str) -> bool:
        """Whether this method needs Write in the area."""
        return bool(self.areas) and (self.write or method not in ("GET", "HEAD"))
