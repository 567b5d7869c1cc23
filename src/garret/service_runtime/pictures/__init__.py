"""What becomes of a finished picture: its marks, the words in its file, and the file itself."""
