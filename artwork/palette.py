"""The colours of the presenter."""

SKIN_GLOW, SKIN_LIGHT, SKIN_WARM, SKIN, SKIN_SHADE = "#FFEBDA", "#F9D7BE", "#F8D0B4", "#F0BF9F", "#E3A783"
SHADE, DEEP_SHADE, BLUSH = "#B86B4F", "#8A4632", "#E5705F"
"""Shadows are laid on by multiplication or at low opacity, so they are redder than shaded skin."""
HAIR_DEEP, HAIR_DARK, HAIR, HAIR_WARM, HAIR_LIGHT, HAIR_GLINT = (
    "#1E0F0B", "#341C14", "#4E2C1E", "#6E4329", "#A06B41", "#DDB07C",
)  # fmt: skip
BLAZER_DEEP, BLAZER_DARK, BLAZER, BLAZER_LIGHT = "#0B2230", "#123447", "#1B4A60", "#3C7088"
BLOUSE_SHADE, BLOUSE, BLOUSE_LIGHT = "#C9BFB6", "#F1EBE4", "#FFFDFA"
