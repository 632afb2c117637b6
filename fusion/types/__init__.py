"""Stage types: the typed boundaries between the parts of the stack."""

from fusion.types.detections import ATTRIBUTES, BOX_FIELDS, DETECTION_CLASSES, Detections, GroundTruth
from fusion.types.sensor_batch import SensorBatch, whole_px
from fusion.types.sensor_set import POINT_FIELDS, CameraReading, LidarReading, SensorSet
from fusion.types.streams import CameraStream, Interacted, LidarStream
from fusion.types.tracks import Tracks

__all__ = ["ATTRIBUTES", "BOX_FIELDS", "DETECTION_CLASSES", "POINT_FIELDS", "CameraReading", "CameraStream", "Detections",
           "GroundTruth", "Interacted", "LidarReading", "LidarStream", "SensorBatch", "SensorSet", "Tracks", "whole_px"]
