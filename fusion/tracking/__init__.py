"""Detections of successive instants -> objects with identities that stay."""

from fusion.tracking.config import TRACKING_CLASSES, TrackerConfig
from fusion.tracking.tracker import Tracker

__all__ = ["TRACKING_CLASSES", "Tracker", "TrackerConfig"]
