"""What comes from elsewhere: runs that were saved as files, and notebooks."""
