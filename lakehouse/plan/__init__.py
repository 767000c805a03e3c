"""What must run, and why: versions, refresh modes, the refresh plan and its explanation. Pure."""
