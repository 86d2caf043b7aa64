"""Opens the page of `isonomy replay` in headless Chromium: it must draw, move, and report no error.

    python3 tests/replay/check.py replay.html [FOLDER FOR SCREENSHOTS]
"""

import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1280, 800)
FIRST_S, SECOND_S = 300, 420


def browse(page, fragment, *arguments):
    """What the browser prints on stdout, and what it logged of the page's console."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, f"none of {', '.join(BROWSERS)} is installed"
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
            f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}", "--virtual-time-budget=4000",
            *arguments, f"{page.resolve().as_uri()}#{fragment}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def pixels(path):
    """Width and the rows of a PNG with eight bits a channel, as bytes."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, packed, head = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        head = struct.unpack(">IIBB", body[:10]) if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour = head
    channels = {2: 3, 6: 4}[colour]
    assert depth == 8
    raw, stride, rows, before = zlib.decompress(packed), width * channels, [], bytes(width * channels)
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left = row[x - channels] if x >= channels else 0
            up, corner = before[x], before[x - channels] if x >= channels else 0
            if kind == 4:
                guess = left + up - corner
                nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                row[x] = (row[x] + nearest[2]) & 255
            else:
                row[x] = (row[x] + (0, left, up, (left + up) // 2)[kind]) & 255
        before = bytes(row)
        rows.append(before)
    return channels, rows


def changed(one, other):
    """Pixels of the map that differ: the left part of the window, below the heading and above the controls."""
    (channels, first), (_, second) = pixels(one), pixels(other)
    count = 0
    for a, b in zip(first[120:SIZE[1] - 140], second[120:SIZE[1] - 140]):
        for x in range(0, 880 * channels, channels):
            count += a[x:x + channels] != b[x:x + channels]
    return count


def main(page, folder):
    shots = []
    for seconds in (FIRST_S, SECOND_S):
        shot = folder / f"replay_{seconds}.png"
        _, console = browse(page, f"t={seconds}", f"--screenshot={shot}")
        assert not console, f"the page's console is not empty: {console}"
        assert shot.exists(), f"no screenshot of {page}"
        shots.append(shot)
    moved = changed(*shots)
    assert moved > 100, f"only {moved} pixels of the map differ between {FIRST_S} s and {SECOND_S} s"
    dom, console = browse(page, f"t={FIRST_S}", "--dump-dom")
    assert not console, f"the page's console is not empty: {console}"
    assert re.search(r"<output[^>]*id=\"clock\"", dom), "the page has no clock"
    there = re.search(r"vehicles in the network</dt><dd>(\d+)</dd>", dom)
    assert there and int(there[1]) > 0, "no vehicle is in the network"
    assert not re.search(r"(?:src|href)=\"(?!data:)", dom), "the page asks for something from elsewhere"
    print(f"{moved} pixels changed, {there[1]} vehicles in the network after {FIRST_S} s, nothing on the console")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(sys.argv[1]), Path(scratch))
