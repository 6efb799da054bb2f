"""How each shape of file is told from the others and read; `seodang.data.readers` is the way in."""
