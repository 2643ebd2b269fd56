"""The report of a replay: its scoreboard as tables and plots; matplotlib and Jinja2 are needed for the page alone."""
