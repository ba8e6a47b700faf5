"""What a report says, as plain data, and how a terminal shows it. Imports nothing of ours."""
