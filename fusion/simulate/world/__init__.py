"""What a drive goes through: ground, streets, houses, plants, and the traffic that moves there."""
