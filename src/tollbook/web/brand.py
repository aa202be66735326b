"""The operator's colour as a stylesheet (`/brand.css`), kept readable in light and in dark.

An operator gives one colour. On white paper it is darkened, on dark paper lightened, until text in it reaches WCAG's
4.5 : 1 against the page, so that no choice of colour can make a link unreadable.
"""

from colorsys import hls_to_rgb, rgb_to_hls

LEAST_CONTRAST = 4.6
LIGHT_SURFACE, DARK_SURFACE = "#f4f6f9", "#1e2530"
LIGHT_TEXT, DARK_TEXT = "#ffffff", "#0d1117"

Colour = tuple[float, float, float]


def stylesheet(accent: str | None) -> str:
    """CSS that sets the accent tokens from `#rrggbb`; empty when the operator has not chosen a colour."""
    if not accent:
        return ""
    light, dark = readable(accent, LIGHT_SURFACE), readable(accent, DARK_SURFACE)
    return (
        f":root{{--accent:{light};--on-accent:{LIGHT_TEXT}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{dark};--on-accent:{DARK_TEXT}}}}}\n"
    )


def readable(accent: str, surface: str) -> str:
    """The colour nearest to `accent` in lightness that reads on `surface`; both `#rrggbb`."""
    hue, lightness, saturation = rgb_to_hls(*_parsed(accent))
    step = -0.01 if _luminance(_parsed(surface)) > 0.5 else 0.01
    while contrast(_written(hls_to_rgb(hue, lightness, saturation)), surface) < LEAST_CONTRAST:
        lightness = min(max(lightness + step, 0.0), 1.0)
    return _written(hls_to_rgb(hue, lightness, saturation))


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours `#rrggbb`, from 1 to 21."""
    lighter, darker = sorted((_luminance(_parsed(one)), _luminance(_parsed(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _parsed(colour: str) -> Colour:
    """Red, green and blue from 0 to 1. Raises ValueError for anything but `#rrggbb`."""
    digits = colour.removeprefix("#")
    if len(digits) != 6 or not colour.startswith("#"):
        raise ValueError(f"A colour is written #rrggbb, not {colour!r}")
    red, green, blue = bytes.fromhex(digits)
    return red / 255, green / 255, blue / 255


def _written(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
