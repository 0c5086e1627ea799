"""What every subject needs: processes with an end, HTTP load, rows and the table."""
