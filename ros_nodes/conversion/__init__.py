"""Everything that turns messages into NumPy and back. Elsewhere only the player's faults, which break messages on purpose, and
`detections_wire.py`, which writes detections straight to bytes.

Messages are read by attribute and written through a factory (`Make`), so that rclpy's and rosbags' classes both work. rclpy is not imported.
"""

from ros_nodes.conversion.boxes import DETECTION_TYPE, detections_from_msg, detections_msg, ids_from_msg, marker_ids, markers_msg, tracks_msg
from ros_nodes.conversion.clouds import CLOUD_FIELDS, cloud_columns, cloud_msg, intensity_of, points_from_cloud, sweep_span_ns
from ros_nodes.conversion.factories import Make, message_available, message_class, rclpy_make, rosbags_make
from ros_nodes.conversion.frames import Transform, clock_msg, header_msg, stamp_ns, tf_msg, time_msg, transform_from_msg, transform_msg
from ros_nodes.conversion.images import (
    camera_info_msg,
    camera_model_from_info,
    compressed_msg,
    image_from_compressed_msg,
    image_from_msg,
    image_msg,
    is_mosaic,
    rectification_from_info,
)
from ros_nodes.conversion.status import (
    ERROR,
    OK,
    WARN,
    diagnostics_msg,
    sensor_states_from_msg,
    sensors_used_from_msg,
    sensors_used_msg,
    status_msg,
)

__all__ = [
    "CLOUD_FIELDS",
    "DETECTION_TYPE",
    "ERROR",
    "OK",
    "WARN",
    "Make",
    "Transform",
    "camera_info_msg",
    "camera_model_from_info",
    "clock_msg",
    "cloud_columns",
    "cloud_msg",
    "compressed_msg",
    "detections_from_msg",
    "detections_msg",
    "diagnostics_msg",
    "header_msg",
    "ids_from_msg",
    "image_from_compressed_msg",
    "image_from_msg",
    "image_msg",
    "intensity_of",
    "is_mosaic",
    "marker_ids",
    "markers_msg",
    "message_available",
    "message_class",
    "points_from_cloud",
    "rclpy_make",
    "rectification_from_info",
    "rosbags_make",
    "sensor_states_from_msg",
    "sensors_used_from_msg",
    "sensors_used_msg",
    "stamp_ns",
    "status_msg",
    "sweep_span_ns",
    "tf_msg",
    "time_msg",
    "tracks_msg",
    "transform_from_msg",
    "transform_msg",
]
