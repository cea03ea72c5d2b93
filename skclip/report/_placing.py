"""Where the pictures of a page are: in it, or in files beside it."""

import base64

__all__ = ["placed"]

MAX_INLINE_IMAGES = 10_000
MAX_INLINE_BYTES = 12_000_000  # of thumbnails; text encoding adds a third


def placed(thumbnails: list[bytes | None]) -> tuple[list[str | None], dict[str, bytes]]:
    """Return thumbnails as text in the page, or their names and files where they are too many."""
    there = [content for content in thumbnails if content is not None]
    if len(there) <= MAX_INLINE_IMAGES and sum(map(len, there)) <= MAX_INLINE_BYTES:
        return [
            None if content is None else base64.b64encode(content).decode()
            for content in thumbnails
        ], {}
    names = [
        None if content is None else f"{i // 1000:04d}/{i:07d}.webp"
        for i, content in enumerate(thumbnails)
    ]
    return names, {
        name: content
        for name, content in zip(names, thumbnails, strict=True)
        if name is not None and content is not None
    }
