"""Cameras, projection, rotations, poses, homographies, depth maps."""
