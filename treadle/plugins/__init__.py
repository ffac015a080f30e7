"""The workflows that stand in files: found (folders), imported as versions (code), listed (registry), watched."""
