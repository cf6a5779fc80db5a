"""Pictures of a pool and of queries as a panel shows them: small JPEGs, made once."""

from __future__ import annotations

import base64

from workbench.experiments.selection_cache import OpenPool, jpeg
from workbench.experiments.selection_session import MiningSession


class PoolPictures:
    """Pictures by name, mixed into a panel that has an opened pool and a session."""

    opened: OpenPool
    session: MiningSession

    def picture(self, image_id: str) -> bytes:
        """Return a picture of the pool, or a query's, as JPEG."""
        pictures = self.opened.pictures
        if image_id not in pictures:
            pictures[image_id] = jpeg(self.session.image(image_id))
        return pictures[image_id]

    def picture_uri(self, image_id: str) -> str:
        """Return a picture of the pool, or a query's, as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.picture(image_id)).decode()

    def size_of(self, image_id: str) -> tuple[int, int]:
        """Return width and height of a picture of the pool, or of a query's, pixels."""
        row = self.session.rows_of.get(image_id)
        if row is None:
            height, width = self.session.image(image_id).shape[:2]
        else:
            height, width = self.session.pool.features.letterboxes[row].image_size
        return width, height
