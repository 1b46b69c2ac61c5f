"""The one loop: what is asked, how the work is divided, and what a group of records answers."""
