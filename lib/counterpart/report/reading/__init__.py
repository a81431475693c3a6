"""What a released document says, read in one way for the page, its plots and the summary."""
