"""The page's files, as they are sent."""
