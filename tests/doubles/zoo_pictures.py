"""All tiny random pipelines that start from a picture or a video."""

from tests.doubles import zoo_controls, zoo_edits, zoo_first_frames, zoo_strength

BUILDERS = (
    zoo_strength.BUILDERS  # first: tests that ask these alone number them as those that ask all
    | zoo_edits.BUILDERS
    | zoo_controls.BUILDERS
    | zoo_first_frames.BUILDERS
)
CALLS = zoo_strength.CALLS | zoo_edits.CALLS | zoo_controls.CALLS | zoo_first_frames.CALLS

PICTURES = (
    "image",
    "video",
    "control_image",
    "last_image",
    "reference_images",
    "ip_adapter_image",
)
"""The arguments that take a picture, several, or a video; masks are not among them."""
