"""Files of users and our own: paths, atomic replacement, rows that grow, cells of spreadsheets."""

from skclip._files._paths import file_to_write, find_file, is_remote
from skclip._files._replacing import replacing
from skclip._files._rows import append_bytes, npy_header, resume_rows, start_rows
from skclip._files._spreadsheet import guard_cell, unguard_cell, unguard_column

__all__ = [
    "append_bytes",
    "file_to_write",
    "find_file",
    "guard_cell",
    "is_remote",
    "npy_header",
    "replacing",
    "resume_rows",
    "start_rows",
    "unguard_cell",
    "unguard_column",
]
