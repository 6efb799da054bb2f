"""HTML pages about the data, the training and the evaluation."""
