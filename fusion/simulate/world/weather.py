"""Light and air of a scene, drawn at random around what a kind of weather means."""

from __future__ import annotations

import numpy as np

from fusion.simulate.scenery import Weather, WeatherName
from fusion.simulate.world.draw import span


def make_weather(name: WeatherName, rng: np.random.Generator) -> Weather:
    """One draw of "day", "night", "rain" or "fog".

    Raises:
        ValueError: unknown name.
    """
    azimuth = span(rng, 0, 2 * np.pi)

    def towards(low_deg: float, high_deg: float) -> np.ndarray:
        elevation = np.radians(rng.uniform(low_deg, high_deg))
        return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])

    match name:
        case "day":
            return _day(towards(12, 68), rng)
        case "night":
            lamps = np.array([1.0, 0.82, 0.58]) * span(rng, 0.02, 0.06)
            return Weather(name=name, to_sun=towards(25, 70), sun_rgb=np.array([0.5, 0.6, 0.9]) * 0.006, ambient_rgb=lamps,
                           zenith_rgb=np.array([0.004, 0.005, 0.009]), horizon_rgb=np.array([0.03, 0.024, 0.02]) * span(rng, 0.5, 1.5),
                           extinction_per_m=span(rng, 0.0003, 0.0015), exposure=span(rng, 4.0, 8.0), clouds=span(rng, 0, 1))
        case "rain":
            grey = span(rng, 0.4, 0.75)
            return Weather(name=name, to_sun=towards(25, 65), sun_rgb=np.full(3, 0.06), ambient_rgb=np.array([0.95, 0.98, 1.03]) * grey,
                           zenith_rgb=np.array([0.6, 0.63, 0.67]) * grey, horizon_rgb=np.array([0.82, 0.84, 0.87]) * grey,
                           extinction_per_m=span(rng, 0.002, 0.006), rain_mm_h=float(rng.gamma(2.0, 2.0)) + 0.5,
                           exposure=span(rng, 0.9, 1.3) / grey, clouds=1.0)
        case "fog":
            grey = span(rng, 0.6, 0.9)
            return Weather(name=name, to_sun=towards(15, 60), sun_rgb=np.full(3, 0.08), ambient_rgb=np.full(3, grey),
                           zenith_rgb=np.full(3, 0.72) * grey, horizon_rgb=np.full(3, 0.8) * grey, extinction_per_m=span(rng, 0.012, 0.035),
                           exposure=span(rng, 0.85, 1.15), clouds=1.0)
    raise ValueError(f"weather: expected day, night, rain or fog, got {name!r}")


def _day(to_sun: np.ndarray, rng: np.random.Generator) -> Weather:
    """Anything from a clear sky, warmer the lower the sun, to a grey one."""
    clouds = float(rng.beta(1.0, 1.2))
    warm = float(np.clip((0.5 - to_sun[2]) * 1.2, 0, 0.5))
    direct = (1 - 0.92 * clouds) * np.array([1.0, 0.96 - 0.25 * warm, 0.88 - 0.55 * warm]) * 2.4

    def mixed(clear: tuple[float, float, float], grey: tuple[float, float, float]) -> np.ndarray:
        return np.array(clear) * (1 - clouds) + np.array(grey) * clouds

    return Weather(name="day", to_sun=to_sun, sun_rgb=direct, ambient_rgb=mixed((0.42, 0.52, 0.68), (0.72, 0.74, 0.77)) * span(rng, 0.75, 1.1),
                   zenith_rgb=mixed((0.16, 0.34, 0.72), (0.62, 0.65, 0.7)), horizon_rgb=mixed((0.66, 0.76, 0.9), (0.8, 0.82, 0.84)),
                   extinction_per_m=span(rng, 0.0002, 0.0015), exposure=span(rng, 0.8, 1.2) * (0.62 + 0.45 * clouds), clouds=clouds)
