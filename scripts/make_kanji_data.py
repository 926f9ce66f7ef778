"""Draw the embedded images of 1,000 characters in 28 typefaces that ship inside the package.

The typefaces are those of `polyrepro/data/embedded/kanji_typefaces.csv`, from Debian packages of
exactly the versions that stand there (one typeface per design, so no two share a drawing):

    cut -d, -f2 polyrepro/data/embedded/kanji_typefaces.csv | grep ^fonts- | sort -u |
        xargs apt-get install
    python scripts/make_kanji_data.py

Classes are 1,000 characters evenly spaced in JIS level 1 (rows 16 to 47 of JIS X 0208). Each is
drawn once per typeface at 40 points, its ink centred on 64 x 64 pixels, then rotated (up to 12
degrees), scaled (0.85 to 1.15), sheared (up to 0.15) and shifted (up to 3 pixels), cropped to
48 x 48 and reduced to 28 x 28 pixels of 16 grey levels. Per character, 18 typefaces in an order of
its own make `train`, 2 `validation` and 8 `test`. Images are stored class by class in turn. The
random numbers of an image depend on character and typeface alone. With the same Pillow, FreeType,
numpy and zlib, the same typefaces give the same bytes; their checksum is in
`polyrepro/data/in_memory/kanji.py`.
"""

import argparse
import csv
import hashlib
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from make_embedded_data import write_npz
from PIL import Image, ImageDraw, ImageFont, features

EMBEDDED = Path(__file__).parents[1] / "polyrepro/data/embedded"
CLASSES = 1000
SPLITS = {"train": 18, "validation": 2, "test": 8}
SEED = 20220426
POINTS, CANVAS, CROP, SIDE = 40, 64, 48, 28
MOST_MISSING = 30
"""A typeface that lacks more than 1 % of JIS level 1 is refused, not worked around."""


def jis_level_1() -> list[str]:
    """The 2,965 characters of rows 16 to 47 of JIS X 0208, in its order."""
    codes = [bytes([row + 0xA0, cell + 0xA0]) for row in range(16, 48) for cell in range(1, 95)]
    return [text for code in codes if (text := code.decode("euc-jp", errors="ignore"))]


def read_typefaces(path: Path) -> list[dict[str, str]]:
    """The rows of the table of typefaces; their packages must be installed in those versions."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        command = ["dpkg-query", "--show", "--showformat=${Version}", row["package"]]
        found = subprocess.run(command, capture_output=True, text=True).stdout
        if found != row["version"]:
            raise SystemExit(
                f"{path}: {row['typeface']} was drawn from {row['package']} {row['version']}, but "
                f"{found or 'no version'} is installed; install that version, or edit the table "
                "after reading the package's copyright file again"
            )
    return rows


def draw_upright(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """The character in white on black, the box around its ink in the centre."""
    image = Image.new("L", (CANVAS, CANVAS))
    left, top, right, bottom = font.getbbox(character)
    corner = ((CANVAS - right - left) / 2, (CANVAS - bottom - top) / 2)
    ImageDraw.Draw(image).text(corner, character, fill=255, font=font)
    return image


def missing_characters(drawings: dict[str, bytes], absent: bytes) -> set[str]:
    """Characters drawn as nothing, as an absent one, or just as another one."""
    repeated = {drawing for drawing, count in Counter(drawings.values()).items() if count > 1}
    refused = repeated | {absent, bytes(CANVAS * CANVAS)}
    return {character for character, drawing in drawings.items() if drawing in refused}


def choose_characters(
    typefaces: list[dict[str, str]], fonts: list[ImageFont.FreeTypeFont]
) -> list[str]:
    """Characters that every typeface draws, and no two of them alike, evenly spaced."""
    characters = jis_level_1()
    seen: dict[str, set[bytes]] = {character: set() for character in characters}
    refused: set[str] = set()
    for typeface, font in zip(typefaces, fonts, strict=True):
        drawings = {c: draw_upright(c, font).tobytes() for c in characters}
        missing = missing_characters(drawings, draw_upright("\U0010ffff", font).tobytes())
        alike = {c for c, drawing in drawings.items() if drawing in seen[c]}
        print(f"{typeface['typeface']}: {len(missing)} missing, {len(alike)} as in another one")
        if len(missing | alike) > MOST_MISSING:
            raise SystemExit(f"{typeface['typeface']} is refused: choose another typeface")
        refused |= missing | alike
        for character, drawing in drawings.items():
            seen[character].add(drawing)
    usable = [character for character in characters if character not in refused]
    return [usable[position * len(usable) // CLASSES] for position in range(CLASSES)]


def distort(upright: Image.Image, random: np.random.Generator) -> np.ndarray:
    """Rotate, scale, shear and shift about the centre; (28, 28), uint8 grey levels 0..15."""
    angle = np.deg2rad(random.uniform(-12, 12))
    scale, shear = random.uniform(0.85, 1.15), random.uniform(-0.15, 0.15)
    shift = random.uniform(-3, 3, size=2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Pillow's matrix leads from a pixel of the result back to the drawing.
    back = np.linalg.inv(scale * rotation @ np.array([[1, shear], [0, 1]]))
    centre = np.full(2, CANVAS / 2)
    offset = centre - back @ (centre + shift)
    coefficients = (*back[0], offset[0], *back[1], offset[1])
    moved = upright.transform(
        upright.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    border = (CANVAS - CROP) // 2
    cropped = moved.crop((border, border, CANVAS - border, CANVAS - border))
    reduced = np.asarray(cropped.resize((SIDE, SIDE), Image.Resampling.BOX))
    return np.rint(reduced / 17).astype(np.uint8)


def draw_splits(
    characters: list[str], fonts: list[ImageFont.FreeTypeFont]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per split: images (per class, classes, 28, 28) and their typefaces (per class, classes)."""
    if len(fonts) != sum(SPLITS.values()):
        raise SystemExit(f"{len(fonts)} typefaces are listed, {sum(SPLITS.values())} are needed")
    images = np.empty((len(fonts), len(characters), SIDE, SIDE), np.uint8)
    order = np.empty((len(fonts), len(characters)), np.uint8)
    for label, character in enumerate(characters):
        order[:, label] = np.random.default_rng([SEED, ord(character)]).permutation(len(fonts))
        for position, typeface in enumerate(order[:, label]):
            random = np.random.default_rng([SEED, ord(character), typeface])
            images[position, label] = distort(draw_upright(character, fonts[typeface]), random)
    ends = np.cumsum(list(SPLITS.values()))
    return {
        name: (images[end - count : end], order[end - count : end])
        for (name, count), end in zip(SPLITS.items(), ends, strict=True)
    }


def refuse_duplicates(splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """No image may occur twice, in one split or in two."""
    pixels = np.concatenate([images.reshape(-1, SIDE * SIDE) for images, _ in splits.values()])
    if copies := len(pixels) - len({row.tobytes() for row in pixels}):
        raise SystemExit(f"{copies} images are copies of others; look for sibling typefaces")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--typefaces", type=Path, default=EMBEDDED / "kanji_typefaces.csv")
    parser.add_argument("--output", type=Path, default=EMBEDDED / "kanji.npz")
    options = parser.parse_args()

    typefaces = read_typefaces(options.typefaces)
    fonts = [
        ImageFont.truetype(row["file"], POINTS, layout_engine=ImageFont.Layout.BASIC)
        for row in typefaces
    ]
    characters = choose_characters(typefaces, fonts)
    splits = draw_splits(characters, fonts)
    refuse_duplicates(splits)
    arrays = {"characters": np.array([ord(character) for character in characters], np.uint32)}
    for name, (images, order) in splits.items():
        levels = images.reshape(-1, SIDE * SIDE)
        arrays[f"{name}_images"] = levels[:, ::2] << 4 | levels[:, 1::2]
        arrays[f"{name}_typefaces"] = order.reshape(-1)
    write_npz(options.output, arrays)
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    drawn_with = ", ".join(f"{name} {features.version(name)}" for name in ("pil", "freetype2"))
    print(f"{options.output}: {options.output.stat().st_size:,} bytes, sha256 {digest}")
    print(f"drawn with {drawn_with}, numpy {np.__version__}, zlib {zlib.ZLIB_RUNTIME_VERSION}")


if __name__ == "__main__":
    main()
