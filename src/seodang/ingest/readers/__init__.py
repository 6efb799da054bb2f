"""How each shape of file is told from the others and read; `seodang.ingest.readers.read` is the way in."""
