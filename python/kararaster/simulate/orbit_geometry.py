"""Where a simulated satellite flies and what it sees: circular orbit, zero-Doppler geometry on the WGS84 ellipsoid.

Everything follows from the state vectors by closed formulas, so that range-Doppler code run on a simulated product must
find its geolocation grid again. Times are seconds after the first line; positions are metres in the Earth-fixed frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SPEED_OF_LIGHT = 299_792_458.0
SEMI_MAJOR, SEMI_MINOR = 6_378_137.0, 6_356_752.314245
ORBIT_RADIUS, ORBIT_PERIOD, INCLINATION = 7_073_000.0, 5_924.6, math.radians(98.18)
EARTH_ROTATION = 7.292115e-5
NEAR_LOOK = math.radians(27.0)
"""Look angle of the first sample: incidence of about 30.6 degrees, the near edge of IW."""

_RADII_SQUARED = np.array([SEMI_MAJOR**2, SEMI_MAJOR**2, SEMI_MINOR**2])


@dataclass(frozen=True)
class SatellitePass:
    """A right-looking pass: `lines` x `samples` pixels, `interval` seconds a line, `spacing` metres a sample on the
    ground.

    `phase` is the angle flown since the ascending node at the first line, `node` the longitude angle of that node; see
    `over`.
    """

    lines: int
    samples: int
    interval: float = 1.483e-3
    spacing: float = 10.0
    phase: float = 0.0
    node: float = 0.0

    @classmethod
    def over(cls, lines: int, samples: int, *, center: tuple[float, float], orbit_state: str) -> SatellitePass:
        """The pass whose middle pixel lies at `center` (latitude, longitude in degrees)."""
        latitude, longitude = map(math.radians, center)
        climb = math.asin(math.sin(latitude) / math.sin(INCLINATION))
        ascending = orbit_state == "ascending"
        seen = cls(lines, samples, phase=climb if ascending else math.pi - climb)
        for _ in range(8):  # each turn removes all but about a tenth of the error
            middle = seen.geodetic(*(np.array([n / 2]) for n in (lines, samples)))
            north, east = latitude - math.radians(middle[0][0]), longitude - math.radians(middle[1][0])
            seen = replace(seen, phase=seen.phase + (north if ascending else -north), node=seen.node + east)
        return seen

    def state(self, time: Floats) -> tuple[Floats, Floats]:
        """Position and velocity (n, 3) at `time` (n)."""
        rate = 2 * math.pi / ORBIT_PERIOD
        angle, turn = self.phase + rate * time, self.node - EARTH_ROTATION * time
        along, across = ORBIT_RADIUS * np.cos(angle), ORBIT_RADIUS * np.sin(angle) * math.cos(INCLINATION)
        x, y = along * np.cos(turn) - across * np.sin(turn), along * np.sin(turn) + across * np.cos(turn)
        z = ORBIT_RADIUS * np.sin(angle) * math.sin(INCLINATION)
        along_rate = -rate * ORBIT_RADIUS * np.sin(angle)
        across_rate = rate * ORBIT_RADIUS * np.cos(angle) * math.cos(INCLINATION)
        vx = along_rate * np.cos(turn) - across_rate * np.sin(turn) + EARTH_ROTATION * y
        vy = along_rate * np.sin(turn) + across_rate * np.cos(turn) - EARTH_ROTATION * x
        vz = rate * ORBIT_RADIUS * np.cos(angle) * math.sin(INCLINATION)
        return np.stack([x, y, z], axis=-1), np.stack([vx, vy, vz], axis=-1)

    def target(self, time: Floats, look: Floats) -> Floats:
        """The point of the ellipsoid seen at right angles to the flight, `look` radians from the downward direction."""
        position, velocity = self.state(time)
        ahead = velocity / np.linalg.norm(velocity, axis=-1, keepdims=True)
        up = position - (position * ahead).sum(-1, keepdims=True) * ahead
        up /= np.linalg.norm(up, axis=-1, keepdims=True)
        ray = np.sin(look)[..., np.newaxis] * np.cross(ahead, up) - np.cos(look)[..., np.newaxis] * up
        a = (ray**2 / _RADII_SQUARED).sum(-1)
        b = (ray * position / _RADII_SQUARED).sum(-1)
        c = (position**2 / _RADII_SQUARED).sum(-1) - 1
        distance = (-b - np.sqrt(b**2 - a * c)) / a
        point: Floats = position + distance[..., np.newaxis] * ray
        return point

    def slant_range(self, time: Floats, look: Floats) -> Floats:
        """Distance to `target`."""
        distance: Floats = np.linalg.norm(self.target(time, look) - self.state(time)[0], axis=-1)
        return distance

    @cached_property
    def record_times(self) -> Floats:
        """One ground-range record a second, from before the first line until after the last."""
        return np.arange(-1.0, self.lines * self.interval + 2.0)

    @cached_property
    def record_polynomials(self) -> list[tuple[float, Floats, Floats]]:
        """Of each record: sr0, coefficients ground to slant range, coefficients slant to ground range."""
        return [self._polynomials(time) for time in self.record_times]

    def _polynomials(self, time: float) -> tuple[float, Floats, Floats]:
        reach = self.samples * self.spacing + 2_000.0
        look = np.linspace(NEAR_LOOK, NEAR_LOOK + 2.2 * reach / 900_000.0, 1_001)
        times = np.full(look.shape, time)
        points = self.target(times, look)
        ground = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
        slant = self.slant_range(times, look)
        kept = ground <= reach
        return float(slant[0]), _fit(ground[kept], slant[kept]), _fit(slant[kept] - slant[0], ground[kept])

    def slant_range_at(self, line: Floats, pixel: Floats) -> Floats:
        """Slant range of image positions by the record nearest in time, as products define it."""
        nearest = np.abs((line * self.interval)[:, np.newaxis] - self.record_times).argmin(axis=1)
        ground = pixel * self.spacing
        return np.array(
            [np.polyval(self.record_polynomials[n][1][::-1], g) for n, g in zip(nearest, ground, strict=True)]
        )

    def look_at(self, line: Floats, pixel: Floats) -> Floats:
        """Look angle of image positions: the one whose ray is as long as the slant range (secant steps)."""
        time, wanted = line * self.interval, self.slant_range_at(line, pixel)
        before, look = np.full(line.shape, NEAR_LOOK), np.full(line.shape, NEAR_LOOK + 1e-3)
        error_before = self.slant_range(time, before) - wanted
        for _ in range(8):
            error = self.slant_range(time, look) - wanted
            change = error - error_before
            step = np.divide(error * (look - before), change, out=np.zeros_like(look), where=change != 0)
            before, error_before, look = look, error, look - step
        return look

    def geodetic(self, line: Floats, pixel: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Latitude, longitude, ellipsoid incidence angle and look angle of image positions, all in degrees."""
        time, look = line * self.interval, self.look_at(line, pixel)
        point = self.target(time, look)
        normal = point / _RADII_SQUARED
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        towards = self.state(time)[0] - point
        towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
        incidence = np.arccos((normal * towards).sum(-1))
        latitude = np.arcsin(normal[..., 2])
        longitude = np.arctan2(point[..., 1], point[..., 0])
        return np.degrees(latitude), np.degrees(longitude), np.degrees(incidence), np.degrees(look)


def _fit(x: Floats, y: Floats, degree: int = 8) -> Floats:
    """Coefficients, lowest power first; fitted on a scaled abscissa, where high powers stay well conditioned."""
    scale = float(np.abs(x).max())
    coefficients: Floats = np.polynomial.polynomial.polyfit(x / scale, y, degree) / scale ** np.arange(degree + 1)
    return coefficients
