"""Whatever holds captions, as rows: folders, tables, archives, what other tools wrote.

``_sources`` tells them apart. ``_columns`` makes rows of values, ``_decoding`` texts of bytes,
``_finder`` finds the images that rows speak of.
"""
