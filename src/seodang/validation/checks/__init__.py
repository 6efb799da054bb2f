"""What is looked for in each row, and how it is mended: pure functions that read and write nothing."""
