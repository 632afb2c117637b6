"""What of a beam's light comes back: received power, the chance to be detected, drops in the air, intensity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusion.simulate.lidar.casting import IN_AIR, NOTHING, Hits
from fusion.simulate.materials import Material, column
from fusion.simulate.scenery import Weather

REFLECTIVITY, FALLOFF, GRAZING, SPREAD, MIRROR, PASS_THROUGH, RETRO, DEPTH_M = (
    column(name) for name in ("reflectivity", "falloff", "grazing", "spread", "mirror", "pass_through", "retro", "depth_m"))
_WETTED = np.array([m in (Material.ASPHALT, Material.MARKING, Material.CONCRETE, Material.SOIL) for m in Material])
_DROP_BRIGHTNESS = 0.03
_OWN_M = 1.5


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """The eye of the sensor.

    Attributes:
        threshold: brightness at 100 m that is detected every other time.
        softness: spread of that threshold, in natural logarithms.
        lobe: how narrow the reflection of a mirror-like surface is, as an exponent on the cosine.
        shiny_loss: share of beams that a perfect mirror sends away altogether: small curves in panels.
        object_spread: spread of reflectivity from object to object, in natural logarithms.
        speckled: whether reflectivity differs from point to point as `Surface.spread` says.
        random_loss: share of returns lost for no reason in the scene.
        range_noise_m: standard deviation of a range.
        intensity_floor: the least light that is detected still reports about as much.
        ring_bias_m: standard deviation of each ring's constant error.
        ring_gain: spread, in natural logarithms, of how bright rings that look down report one surface; in real sweeps (0.2 to 0.4, the same rings
            weeks apart) the upper ones agree.
        quantum_m: ranges are whole multiples of this.
        beam_rad: how wide a beam is; 0 for a line.
        pulse_m: surfaces that share a beam and lie closer than this report one distance between; of others the stronger answer counts.
    """

    threshold: float = 0.45
    softness: float = 0.25
    lobe: float = 40.0
    shiny_loss: float = 0.25
    object_spread: float = 0.5
    speckled: bool = True
    random_loss: float = 0.004
    range_noise_m: float = 0.004
    intensity_floor: float = 1.3
    ring_bias_m: float = 0.01
    ring_gain: float = 0.25
    quantum_m: float = 0.002
    beam_rad: float = 0.003
    pulse_m: float = 0.8

    def brightness(self, material: np.ndarray, cos_incidence: np.ndarray, gain: np.ndarray, weather: Weather) -> np.ndarray:
        """What surfaces send back to the sensor, whatever their distance: reflectivity times a law of incidence, `(N,)`.

        Args:
            material: `(N,)` values of `Material`.
            cos_incidence: `(N,)`.
            gain: `(N,)` factors on reflectivity.
            weather: rain darkens the ground and makes it a mirror.
        """
        reflectivity, mirror = REFLECTIVITY[material] * gain, MIRROR[material]
        if weather.rain_mm_h > 0:
            wet = _WETTED[material]
            reflectivity, mirror = np.where(wet, 0.6 * reflectivity, reflectivity), np.where(wet, np.maximum(mirror, 0.4), mirror)
        diffuse = (1 - mirror) * np.clip(cos_incidence / GRAZING[material], 1e-6, 1.0) ** FALLOFF[material]
        shine = 3.0 * mirror * cos_incidence ** self.lobe
        brightness: np.ndarray = np.where(RETRO[material] > 0, reflectivity, reflectivity * (diffuse + shine))
        return brightness

    def chance(self, brightness: np.ndarray, distance_m: np.ndarray, weather: Weather) -> np.ndarray:
        """Probability that a return is detected, `(N,)`: received power against a soft threshold."""
        distance = np.clip(np.asarray(distance_m, np.float64), 0.1, 1e6)
        log_power = np.log(np.maximum(brightness, 1e-9)) - 2 * np.log(distance / 100) - 2 * weather.extinction_per_m * distance
        excess = np.clip((log_power - np.log(self.threshold)) / self.softness, -50, 50)
        chance: np.ndarray = (1 - self.random_loss) / (1 + np.exp(-excess))
        return chance

    def echo(self, hits: Hits, gain: np.ndarray, weather: Weather, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True distance (infinite for none), source (`NOTHING` for none, `IN_AIR` for a drop) and brightness of what each of N beams notices."""
        count = len(hits.source)
        speckle = np.exp(SPREAD[hits.material] * rng.normal(0.0, 1.0, count)) if self.speckled else 1.0
        brightness = self.brightness(hits.material, hits.cos_incidence, gain * speckle, weather)
        distance = hits.distance_m + rng.exponential(1.0, count) * DEPTH_M[hits.material]
        # Across the metre to the car's own roof even a mirror scatters enough.
        kept = 1 - self.shiny_loss * MIRROR[hits.material] * (distance > _OWN_M)
        seen = (hits.source != NOTHING) & (rng.random(count) < self.chance(brightness, distance, weather) * kept)
        drop = drops(np.where(hits.source == NOTHING, np.inf, distance), weather, rng)
        in_air = np.isfinite(drop)
        distance = np.where(in_air, drop, np.where(seen, distance, np.inf))
        source = np.where(in_air, IN_AIR, np.where(seen, hits.source, NOTHING))
        return distance, source, np.where(in_air, _DROP_BRIGHTNESS, brightness)

    def intensity(self, brightness: np.ndarray, material: np.ndarray) -> np.ndarray:
        """Reported intensity in 0..255, whole numbers: up to 100 from diffuse surfaces, above from reflectors and what mirrors straight back."""
        most = np.where((RETRO[material] > 0) | (MIRROR[material] > 0), 255.0, 100.0)
        whole: np.ndarray = np.floor(np.minimum(np.hypot(100.0 * brightness, self.intensity_floor), most))
        return whole


def drops(distance_m: np.ndarray, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Distance of the drop that each beam meets and the sensor notices, `(N,)` metres, infinite for none: rain a few, fog many.

    Args:
        distance_m: `(N,)` to what the beams meet behind; infinite for nothing.
    """
    mist_per_m = max(weather.extinction_per_m - 0.004, 0.0)
    rate_per_m = 2e-4 * weather.rain_mm_h + 0.4 * mist_per_m
    if rate_per_m <= 0:
        return np.full(len(distance_m), np.inf)
    met = rng.exponential(1 / rate_per_m, len(distance_m))
    noticed = rng.random(len(met)) < np.exp(-(met / 12.0) ** 2)  # a drop sends back so little that only near ones are noticed
    dropped: np.ndarray = np.where(noticed & (met < distance_m), met, np.inf)
    return dropped
