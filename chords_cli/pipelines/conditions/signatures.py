"""What a file is, by its first bytes: its name may say something else."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """How the files of a format begin.

    Attributes:
        name: The format's name, for users.
        beginning: A pattern of the first bytes.
        pillow: The format's name in Pillow; None for videos.
        moves: Whether several pictures in one file are frames, not pages or views.
    """

    name: str
    beginning: bytes
    pillow: str | None = None
    moves: bool = False


SIGNATURES = (
    Signature("PNG", rb"\x89PNG\r\n\x1a\n", "PNG", moves=True),
    Signature("JPEG", rb"\xff\xd8\xff", "JPEG"),
    Signature("WebP", rb"RIFF....WEBP", "WEBP", moves=True),
    Signature("GIF", rb"GIF8[79]a", "GIF", moves=True),
    Signature("TIFF", rb"II[*+]\0|MM\0[*+]", "TIFF", moves=True),
    Signature("BMP", rb"BM", "BMP"),
    Signature("PPM", rb"P[1-6]\s", "PPM"),
    Signature("JPEG 2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", "JPEG2000"),
    Signature("AVIF", rb"....ftyp.{0,40}?avi[fs]", "AVIF", moves=True),
    Signature("HEIC", rb"....ftyp(?:hei[cmsx]|hev[cmx]|mif1|msf1)", "HEIF"),
    Signature("MP4", rb"....(?:ftyp|moov|mdat|wide|free|skip)"),
    Signature("Matroska or WebM", rb"\x1aE\xdf\xa3"),
    Signature("AVI", rb"RIFF....AVI "),
    Signature("MPEG", rb"\0\0\x01[\xb3\xba]|G.{187}G"),
    Signature("Ogg", rb"OggS"),
    Signature("FLV", rb"FLV\x01"),
    Signature("WMV", rb"0&\xb2u\x8ef\xcf\x11"),
)


def find_signature(data: bytes) -> Signature | None:
    """Returns how a file begins; None if neither pictures nor videos begin like that."""
    head = data[:512]
    return next((one for one in SIGNATURES if re.match(one.beginning, head, re.DOTALL)), None)
