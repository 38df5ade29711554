"""Real traffic as recordings for tests, with every value that could be somebody's replaced before anything is written."""
