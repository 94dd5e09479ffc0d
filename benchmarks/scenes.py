"""Input of the benchmarks: pixels and tables of the shape and statistics of real products, from fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOOKS = 4.4
_FIELD = 48
_SWATHS = 3


@dataclass(frozen=True)
class Tables:
    """Annotation of an IW GRDH product: vectors in azimuth, nodes in range, and azimuth noise of three swaths."""

    gain_line: np.ndarray
    gain_pixel: np.ndarray
    gain: np.ndarray
    noise_line: np.ndarray
    noise_pixel: np.ndarray
    noise: np.ndarray
    azimuth_line: np.ndarray
    azimuth: np.ndarray
    swath_end: np.ndarray


def tables(size: int, seed: int = 5) -> Tables:
    """27 vectors over 16 705 lines, nodes every 40 pixels of 26 102, azimuth nodes every 10 lines."""
    rng = np.random.default_rng(seed)
    lines, pixels = max(size, 16_705), max(size, 26_102)
    gain_line = np.linspace(0, lines + 668, 27).round()
    gain_pixel = np.append(np.arange(653) * 40.0, pixels - 1)
    noise_pixel = np.append(np.arange(656) * 40.0, pixels + 199)
    azimuth_line = np.arange(0, lines + 10, 10.0)
    phase = np.arange(_SWATHS)[:, np.newaxis]
    return Tables(
        gain_line=gain_line,
        gain_pixel=gain_pixel,
        gain=664 - 106 * gain_pixel / pixels + 0.5 * np.sin(gain_line / 2000)[:, np.newaxis],
        noise_line=np.linspace(0, lines - 1, 27).round(),
        noise_pixel=noise_pixel,
        noise=900 + 1500 * np.cos(noise_pixel / 3000) ** 2 + 5 * rng.random((27, 1)),
        azimuth_line=azimuth_line,
        azimuth=1 + 0.1 * np.cos(2 * np.pi * azimuth_line / 1900 + phase),
        swath_end=np.array([size // 3, 2 * size // 3, pixels]),
    )


def digital_numbers(size: int, seed: int = 2) -> np.ndarray:
    """Speckled amplitude, uint16, with a border of zeros (no data) as a real product has."""
    power = np.random.default_rng(seed).standard_gamma(LOOKS, (size, size), np.float32) / LOOKS * 30_000
    numbers = np.sqrt(power).astype(np.uint16)
    numbers[:, : size // 100] = 0
    return numbers


def backscatter(size: int, seed: int = 1, nan_share: float = 0.0) -> np.ndarray:
    """Fields, roads and bright targets under speckle; float32. Half of the NaN is scattered, half a border strip."""
    rng = np.random.default_rng(seed)
    image = _landscape(size, rng) * (rng.standard_gamma(LOOKS, (size, size), np.float32) / np.float32(LOOKS))
    image[: int(size * nan_share / 2)] = np.nan
    image.flat[rng.integers(0, image.size, int(image.size * nan_share / 2))] = np.nan
    return image


def stack(size: int, dates: int, seed: int = 4) -> np.ndarray:
    """One landscape at all dates, a tenth of it changed after 25 of 30; (time, y, x), float32."""
    rng = np.random.default_rng(seed)
    landscape = _landscape(size, rng)
    images = rng.standard_gamma(LOOKS, (dates, size, size), np.float32)
    images *= landscape / np.float32(LOOKS)
    images[dates * 5 // 6 :, : size // 10] *= 2
    return images


def reflectance(size: int, level: float, seed: int) -> np.ndarray:
    """Sentinel-2 digital numbers, uint16: reflectance = number / 10 000 - 0.1; 0 (2 % of pixels) is no data."""
    rng = np.random.default_rng(seed)
    numbers = (level * (0.5 + rng.random((size, size), np.float32)) * 10_000 + 1000).astype(np.uint16)
    numbers.flat[rng.integers(0, numbers.size, numbers.size // 50)] = 0
    return numbers


def _landscape(size: int, rng: np.random.Generator) -> np.ndarray:
    fields = -(-size // _FIELD)
    decibel = rng.uniform(-20, -3, (fields, fields))
    image = np.kron(10 ** (decibel / 10), np.ones((_FIELD, _FIELD)))[:size, :size].astype(np.float32)
    image[size // 3, :] *= 0.2
    image[:, size // 5] *= 0.2
    image.flat[rng.integers(0, size * size, max(1, size * size // 20_000))] *= 30
    return image
