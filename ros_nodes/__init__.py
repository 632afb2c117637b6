"""The ROS 2 face of BEVDuet: nodes that convert messages, call `fusion` and publish what it answers. `environment.prepare` comes first."""
