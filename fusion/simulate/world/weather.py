"""Light and air of a scene, drawn at random around what a kind of weather means."""

from __future__ import annotations

import numpy as np

from fusion.simulate.scenery import Weather, WeatherName


def make_weather(name: WeatherName, rng: np.random.Generator) -> Weather:
    """One draw of "day", "night", "rain" or "fog".

    Raises:
        ValueError: unknown name.
    """
    azimuth = float(rng.uniform(0, 2 * np.pi))

    def towards(low_deg: float, high_deg: float) -> np.ndarray:
        elevation = np.radians(rng.uniform(low_deg, high_deg))
        return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])

    match name:
        case "day":
            sun = towards(12, 68)
            clouds = float(rng.beta(1.0, 1.2))
            warm = float(np.clip((0.5 - sun[2]) * 1.2, 0, 0.5))
            direct = (1 - 0.92 * clouds) * np.array([1.0, 0.96 - 0.25 * warm, 0.88 - 0.55 * warm]) * 2.4
            sky = np.array([0.42, 0.52, 0.68]) * (1 - clouds) + np.array([0.72, 0.74, 0.77]) * clouds
            return Weather(name=name, to_sun=sun, sun_rgb=direct, ambient_rgb=sky * float(rng.uniform(0.75, 1.1)),
                           zenith_rgb=np.array([0.16, 0.34, 0.72]) * (1 - clouds) + np.array([0.62, 0.65, 0.7]) * clouds,
                           horizon_rgb=np.array([0.66, 0.76, 0.9]) * (1 - clouds) + np.array([0.8, 0.82, 0.84]) * clouds,
                           extinction_per_m=float(rng.uniform(0.0002, 0.0015)), exposure=float(rng.uniform(0.8, 1.2)) * (0.62 + 0.45 * clouds), clouds=clouds)
        case "night":
            lamps = float(rng.uniform(0.02, 0.06))
            return Weather(name=name, to_sun=towards(25, 70), sun_rgb=np.array([0.5, 0.6, 0.9]) * 0.006, ambient_rgb=np.array([1.0, 0.82, 0.58]) * lamps,
                           zenith_rgb=np.array([0.004, 0.005, 0.009]), horizon_rgb=np.array([0.03, 0.024, 0.02]) * float(rng.uniform(0.5, 1.5)),
                           extinction_per_m=float(rng.uniform(0.0003, 0.0015)), exposure=float(rng.uniform(4.0, 8.0)), clouds=float(rng.uniform(0, 1)))
        case "rain":
            grey = float(rng.uniform(0.4, 0.75))
            return Weather(name=name, to_sun=towards(25, 65), sun_rgb=np.full(3, 0.06), ambient_rgb=np.array([0.95, 0.98, 1.03]) * grey,
                           zenith_rgb=np.array([0.6, 0.63, 0.67]) * grey, horizon_rgb=np.array([0.82, 0.84, 0.87]) * grey,
                           extinction_per_m=float(rng.uniform(0.002, 0.006)), rain_mm_h=float(rng.gamma(2.0, 2.0) + 0.5), exposure=float(rng.uniform(0.9, 1.3)) / grey,
                           clouds=1.0)
        case "fog":
            grey = float(rng.uniform(0.6, 0.9))
            return Weather(name=name, to_sun=towards(15, 60), sun_rgb=np.full(3, 0.08), ambient_rgb=np.full(3, grey), zenith_rgb=np.full(3, 0.72) * grey,
                           horizon_rgb=np.full(3, 0.8) * grey, extinction_per_m=float(rng.uniform(0.012, 0.035)), exposure=float(rng.uniform(0.85, 1.15)), clouds=1.0)
    raise ValueError(f"weather: expected day, night, rain or fog, got {name!r}")
