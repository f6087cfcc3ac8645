"""What satellites are installed and upgraded from: packages, and the scripts that fetch them.

Called by the API. Knows nothing of who is online.
"""
