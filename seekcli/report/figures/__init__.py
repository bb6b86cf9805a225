"""The pictures of a report. Each function takes what `analysis` found and returns a `Picture`; no arithmetic here."""
